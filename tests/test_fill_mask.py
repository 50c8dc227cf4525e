import io
import json
import sys
from dataclasses import replace

import jax.numpy as jnp
import pytest

from distil_jax import commandline, fill_mask, pretrained


@pytest.fixture
def run(capfd, monkeypatch):
    """Run the command in this process: its exit status, standard output and standard error."""

    def run(*arguments, stdin: str = ""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as stop:
            commandline.run(fill_mask.main, [str(argument) for argument in arguments])
        return stop.value.code, *capfd.readouterr()

    return run


def test_teacher_and_student_stand_side_by_side(run, teacher_folder):
    flags = (f"--model={teacher_folder}", f"--teacher={teacher_folder}")
    status, out, err = run(*flags, "the [MASK] of the city")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "the [MASK] of the city"
    assert lines[1].index("teacher (") < lines[1].index("model (")
    assert " ms)" in lines[1]
    assert len(lines) == 2 + 5
    assert all(line.count("%") == 2 and line.count("█") >= 2 for line in lines[2:])
    assert "model (" in lines[1]
    assert lines[1].endswith("5 shared")
    assert all(line.count("= ") == 2 for line in lines[2:])


def test_one_model_has_nothing_to_agree_with(run, teacher_folder):
    _, out, _ = run(f"--model={teacher_folder}", "the [MASK] of the city")
    assert "shared" not in out
    assert "=" not in out


def test_json_tells_the_agreement(run, teacher_folder):
    flags = (f"--model={teacher_folder}", f"--teacher={teacher_folder}", "--json", "--top=3")
    _, out, _ = run(*flags, "the [MASK] of the [MASK]")
    assert json.loads(out)["agreement"] == [{"first": True, "shared": 3}] * 2


def test_an_onnx_folder_or_its_file_beside_its_model(run, teacher_folder, tmp_path):
    from distil_jax import export

    folder = tmp_path / "out"
    export.main([f"--model={teacher_folder}", "--format=onnx", f"--output={folder}"])
    run("--help")
    for name in (folder, folder / "model.onnx"):
        status, out, err = run(f"--model={name}", f"--teacher={teacher_folder}", "the [MASK]")
        assert (status, err) == (0, "")
        assert out.splitlines()[1].endswith("5 shared")


def test_json_from_standard_input(run, teacher_folder):
    text = "the [MASK]\n\n[MASK] and [MASK]\n"
    status, out, err = run(f"--model={teacher_folder}", "--json", "--top=2", stdin=text)
    assert (status, err) == (0, "")
    answers = [json.loads(line) for line in out.splitlines()]
    assert [answer["text"] for answer in answers] == ["the [MASK]", "[MASK] and [MASK]"]
    assert [len(answer["model"]["masks"]) for answer in answers] == [1, 2]
    assert len(answers[0]["model"]["masks"][0]) == 2
    assert set(answers[0]["model"]["masks"][0][0]) == {"token", "probability"}


def test_bytes_that_are_no_utf8_are_read_as_unknown_characters(run, teacher_folder, monkeypatch):
    given = io.TextIOWrapper(io.BytesIO(b"the \xff [MASK]\n"), encoding="utf-8")
    monkeypatch.setattr(io, "StringIO", lambda _: given)
    for text in ((), ("the \udcff [MASK]",)):
        status, out, err = run(f"--model={teacher_folder}", "--json", *text)
        assert (status, err) == (0, "")
        assert json.loads(out)["text"] == "the \N{REPLACEMENT CHARACTER} [MASK]"


def test_rows_that_pad_the_table_are_no_candidates(run, teacher_folder, tmp_path):
    model = pretrained.load(teacher_folder)
    table = model.params["encoder"]["embeddings"]["tokens"]
    wider = jnp.pad(table, ((0, 64 - len(table) % 64), (0, 0)))
    model.params["encoder"]["embeddings"]["tokens"] = wider
    model.params["head"]["bias"] = jnp.pad(
        model.params["head"]["bias"], (0, len(wider) - len(table)), constant_values=50.0
    )
    config = replace(model.config, vocabulary=len(wider))
    pretrained.save(tmp_path / "wider", replace(model, config=config))
    status, out, err = run(f"--model={tmp_path / 'wider'}", f"--teacher={teacher_folder}", "[MASK]")
    assert (status, err) == (0, "")
    assert out.splitlines()[1].endswith("5 shared")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["no mask here"], 1, "has no [MASK]"),
        ([], 1, "standard input is empty"),
        (["--top=0", "[MASK]"], 2, "'0' is not a whole number of at least 1"),
        (["--top=x", "[MASK]"], 2, "--top"),
        (["--bottom=5", "[MASK]"], 2, "--bottom=5"),
        (["--teacher=/nowhere", "[MASK]"], 1, "/nowhere does not exist"),
    ],
)
def test_what_is_wrong_is_one_line(run, teacher_folder, arguments, status, message):
    code, out, err = run(f"--model={teacher_folder}", *arguments)
    assert (code, out) == (status, "")
    assert err.count("\n") == 1
    assert message in err


def test_the_model_is_needed(run):
    code, _, err = run("[MASK]")
    assert code == 2
    assert "--model" in err
