"""The user's own text, labelled in order."""

import csv
import io
import json
import shutil
from dataclasses import replace

import jax
import pytest

from distil_jax import models, pretrained
from distil_jax.errors import UserError
from distil_jax.evaluation import predict_file
from distil_jax.predict import main

TEXTS = ["of old river", "", "is in the city", "river " * 500, "city 😀"]


@pytest.fixture(scope="module")
def model(tuned):
    return tuned / "seed-0" / "model"


def test_every_line_gets_its_record_in_order(model, tmp_path, monkeypatch):
    monkeypatch.setattr(predict_file, "ROWS_AT_ONCE", 2)
    (tmp_path / "in.txt").write_text("\n".join(TEXTS))
    main([f"--model={model}", f"--input={tmp_path / 'in.txt'}", f"--output={tmp_path / 'o.jsonl'}"])
    found = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert [record["row"] for record in found] == list(range(5))
    assert [record["text"] for record in found] == TEXTS
    labels = [record["label"] for record in found]
    assert labels == ["positive", None, "negative", "positive", "negative"]
    assert found[0]["score"] == max(found[0]["scores"].values()) > 0.5


def test_csv_and_standard_output_say_the_same(model, tmp_path, capsys):
    rows = "".join(json.dumps({"sentence": text, "more": 1}) + "\n" for text in TEXTS)
    (tmp_path / "in.jsonl").write_text(rows)
    main([f"--model={model}", f"--input={tmp_path / 'in.jsonl'}"])
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    main([f"--model={model}", f"--input={tmp_path / 'in.jsonl'}", f"--output={tmp_path / 'o.csv'}"])
    with (tmp_path / "o.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["label"] or None for row in table] == [record["label"] for record in printed]
    assert [row["sentence"] for row in table] == TEXTS


def test_faults_leave_nothing(model, teacher_folder, tmp_path):
    (tmp_path / "in.jsonl").write_text('{"text": "x"}\n{"other": 1}\n')
    output = tmp_path / "o.jsonl"

    def refused(message: str, *flags: str) -> None:
        with pytest.raises(UserError, match=message):
            main([f"--output={output}", *flags])
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl"]

    given = f"--input={tmp_path / 'in.jsonl'}"
    refused("row 1 has no column text", f"--model={model}", given)
    refused("no column body", f"--model={model}", given, "--columns=body")
    refused("no head to label text with", f"--model={teacher_folder}", given)
    refused("does not exist", f"--model={model}", "--input=missing.csv")
    with pytest.raises(UserError, match="neither"):
        main([f"--model={model}", given, f"--output={tmp_path / 'o.xls'}"])


def test_an_empty_cell_of_pandas_is_no_text(model, tmp_path, capsys):
    (tmp_path / "in.jsonl").write_text('{"text": NaN}\n{"text": "of old river"}\n')
    main([f"--model={model}", f"--input={tmp_path / 'in.jsonl'}"])
    labels = [json.loads(line)["label"] for line in capsys.readouterr().out.splitlines()]
    assert labels == [None, "positive"]


@pytest.fixture(scope="module")
def answering(teacher_folder, tmp_path_factory):
    """The tiny teacher with a random head for answers."""
    folder = tmp_path_factory.mktemp("answering") / "model"
    teacher = pretrained.load(teacher_folder)
    own = models.initialize_module(models.QuestionAnswering(teacher.config), jax.random.key(0))
    params = {"encoder": teacher.params["encoder"], "head": own["head"]}
    pretrained.save(folder, replace(teacher, head="question_answering", params=params))
    return folder


def test_a_question_or_a_context_that_is_empty_has_no_answer(answering, tmp_path, capsys):
    full = {"question": "the city", "context": "the old river was in the city"}
    rows = [full, full | {"context": None}, full | {"question": " "}, full]
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, rows)))
    main([f"--model={answering}", f"--input={tmp_path / 'in.jsonl'}"])
    first, *empty, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["label"] == full["context"][first["start"] : first["end"]] != ""
    assert {**first, "row": 3} == last
    nothing = dict.fromkeys(("label", "score", "start", "end"))
    assert empty == [
        {"row": 1, "question": "the city", **nothing},
        {"row": 2, "question": "", **nothing},
    ]
    (tmp_path / "in.jsonl").write_text(json.dumps(rows[1]))
    main([f"--model={answering}", f"--input={tmp_path / 'in.jsonl'}"])
    assert json.loads(capsys.readouterr().out)["label"] is None
    (tmp_path / "in.jsonl").write_text('{"question": "the city"}')
    with pytest.raises(UserError, match=r"in\.jsonl row 0 has no context; it has question"):
        main([f"--model={answering}", f"--input={tmp_path / 'in.jsonl'}"])


def test_several_values_of_a_text_are_refused(model, tmp_path):
    kind = "regression"
    shutil.copytree(model, tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"problem_type": kind}))
    (tmp_path / "in.txt").write_text("of old river")
    with pytest.raises(UserError, match=f"several labels or values .problem_type is {kind}"):
        main([f"--model={tmp_path / 'model'}", f"--input={tmp_path / 'in.txt'}"])


def test_bytes_on_standard_input_that_are_no_utf8_are_unknown_characters(
    model, monkeypatch, capsys
):
    given = io.TextIOWrapper(io.BytesIO(b"the \xff river\n"), encoding="utf-8")
    monkeypatch.setattr("sys.stdin", given)
    main([f"--model={model}", "--input=-"])
    assert json.loads(capsys.readouterr().out)["text"] == "the \N{REPLACEMENT CHARACTER} river"
