"""Token classification from end to end: scores beside seqeval, folders, predictions, teachers."""

import csv
import json
import random
from dataclasses import replace

import numpy as np
import pytest

from distil_jax import predict, pretrained
from distil_jax.errors import UserError

from .conftest import write


def tagged(count: int, seed: int) -> list[dict]:
    """`old` begins a place that `river` and `city` go on; `7` is a number."""
    chosen = random.Random(seed)
    rows = []
    for _ in range(count):
        words = chosen.choices(["the", "of", "was", "old", "river", "city", "7"], k=9)
        tags, inside = [], False
        for word in words:
            inside = word == "old" or (inside and word in ("river", "city"))
            tags.append("B-place" if word == "old" else "I-place" if inside else "O")
            if word == "7":
                tags[-1] = "B-number"
        rows.append({"tokens": words, "tags": tags})
    return rows


def as_columns(rows: list[dict]) -> str:
    lines = [zip(row["tokens"], row["tags"], strict=True) for row in rows]
    return "\n\n".join("\n".join(f"{word} {tag}" for word, tag in line) for line in lines)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ner")
    write(folder / "train.jsonl", tagged(96, 0))
    (folder / "dev.conll").write_text(as_columns(tagged(40, 1)))
    write(folder / "test.jsonl", [{"tokens": row["tokens"]} for row in tagged(5, 2)])
    return folder


@pytest.fixture(scope="module")
def tuned_tokens(tmp_path_factory, teacher_folder, places, evaluate):
    output = tmp_path_factory.mktemp("tokens") / "output"
    evaluate(teacher_folder, output, task="ner", data=places, epochs=4, micro=4)
    return output


def test_scores_are_seqevals(tuned_tokens):
    from seqeval.metrics import f1_score, precision_score
    from seqeval.scheme import IOB2

    found = json.loads((tuned_tokens / "results.json").read_text())
    assert found["metric"] == "entity_f1"
    assert found["score"] > 80  # it can be learnt
    assert found["labels"] == ["O", "B-number", "I-number", "B-place", "I-place"]
    lines = (tuned_tokens / "seed-0" / "predictions.jsonl").read_text().splitlines()
    predicted = [json.loads(line)["label"] for line in lines]
    gold = [row["tags"] for row in tagged(40, 1)]
    for options in ({}, {"mode": "strict", "scheme": IOB2}):
        assert found["metrics"]["entity_f1"] == pytest.approx(
            100 * f1_score(gold, predicted, **options)
        )
        precision = 100 * precision_score(gold, predicted, **options)
        assert found["metrics"]["entity_precision"] == pytest.approx(precision)
    right = 100 * f1_score(gold, predicted, average=None)
    assert [found["metrics"][f"{kind}_f1"] for kind in ("number", "place")] == pytest.approx(right)
    assert len((tuned_tokens / "seed-0" / "predictions-test.jsonl").read_text().splitlines()) == 5


def test_transformers_opens_the_folder_and_computes_the_same(tuned_tokens, tmp_path, capsys):
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    folder = tuned_tokens / "seed-0" / "model"
    model = AutoModelForTokenClassification.from_pretrained(folder, dtype="float32")
    assert type(model).__name__ == "BertForTokenClassification"
    assert model.config.id2label[1] == "B-number"
    words = tagged(1, 9)[0]["tokens"]
    opened = AutoTokenizer.from_pretrained(folder)
    batch = opened(words, is_split_into_words=True, return_tensors="pt")
    with torch.no_grad():
        logits = model(**batch).logits[0]
    first = [batch.word_ids(0).index(word) for word in range(len(words))]
    theirs = [model.config.id2label[int(number)] for number in logits[first].argmax(-1)]
    write(tmp_path / "in.jsonl", [{"tokens": words}, {"tokens": []}])
    predict.main([f"--model={folder}", f"--input={tmp_path / 'in.jsonl'}"])
    found, empty = map(json.loads, capsys.readouterr().out.splitlines())
    assert found["tags"] == theirs
    assert empty == {"row": 1, "text": "", "entities": [], "tokens": [], "tags": []}


def test_entities_stand_in_the_raw_text(tuned_tokens, tmp_path):
    folder = tuned_tokens / "seed-0" / "model"
    long = "the was of " * 60 + "old river."
    texts = ["The  old\triver  was 7 of", "", long]
    (tmp_path / "in.txt").write_text("\n".join(texts))
    main = [f"--model={folder}", f"--input={tmp_path / 'in.txt'}", "--length=24"]
    predict.main([*main, f"--output={tmp_path / 'o.jsonl'}"])
    found = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert [record["text"] for record in found] == texts
    entities = [(entity["text"][:3], entity["label"]) for entity in found[0]["entities"]]
    assert entities == [("old", "place"), ("7", "number")]
    assert [entity["start"] for entity in found[0]["entities"]] == [5, 20]
    assert found[1]["entities"] == []
    assert (long.index("old"), "place") in [(e["start"], e["label"]) for e in found[2]["entities"]]
    for record in found:
        for entity in record["entities"]:
            assert record["text"][entity["start"] : entity["end"]] == entity["text"]
            assert 0 < entity["score"] <= 1
    predict.main([*main, f"--output={tmp_path / 'o.csv'}"])
    with (tmp_path / "o.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert json.loads(table[0]["entities"]) == found[0]["entities"]


@pytest.mark.slow
def test_a_teacher_with_another_tokenizer_is_followed_word_by_word(
    tuned_tokens, teacher_folder, places, evaluate, tmp_path
):
    """The student's tokenizer spells every word."""
    from distil_jax.tokenizer.wordpiece import bert_tokenizer

    student = pretrained.load(teacher_folder)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz7"]
    pieces += [f"##{character}" for character in "abcdefghijklmnopqrstuvwxyz"]
    spelled = bert_tokenizer({piece: n for n, piece in enumerate(pieces)}, lowercase=True)
    pretrained.save(
        tmp_path / "student",
        pretrained.Pretrained(student.config, student.params, "masked_lm", (), spelled),
    )
    teacher = tuned_tokens / "seed-0" / "model"
    results = evaluate(
        tmp_path / "student",
        tmp_path / "o",
        task="ner",
        data=places,
        teacher=teacher,
        alpha=1.0,
        epochs=6,
    )
    assert results["score"] > 60  # no label was seen


@pytest.mark.slow
def test_a_teacher_whose_tags_lack_a_beginning_is_followed(
    tuned_tokens, teacher_folder, places, evaluate, tmp_path
):
    tuned = pretrained.load(tuned_tokens / "seed-0" / "model")
    kept = [tuned.labels.index(label) for label in ("O", "B-place", "I-place", "B-number")]
    classifier = {
        name: leaf[..., kept] for name, leaf in tuned.params["head"]["classifier"].items()
    }
    params = {**tuned.params, "head": {**tuned.params["head"], "classifier": classifier}}
    labels = ("O", "B-place", "I-place", "I-number")
    teacher = replace(tuned, params=params, labels=labels)
    pretrained.save(tmp_path / "teacher", teacher)
    flags = {"task": "ner", "data": places, "teacher": tmp_path / "teacher", "alpha": 1.0}
    results = evaluate(teacher_folder, tmp_path / "o", **flags, objectives="cosine=1", epochs=4)
    assert results["score"] > 60  # no label was seen
    pretrained.save(tmp_path / "other", replace(teacher, labels=(*labels[:3], "I-animal")))
    with pytest.raises(UserError, match=r"I-animal, the data O, .* fine-tune it on this data"):
        evaluate(teacher_folder, tmp_path / "p", **flags | {"teacher": tmp_path / "other"})


def test_bad_input_writes_nothing(teacher_folder, places, tuned_tokens, evaluate, tmp_path):
    write(tmp_path / "bad.jsonl", [*tagged(2, 0), {"tokens": ["a", "b"], "tags": ["O"]}])
    with pytest.raises(UserError, match=r"bad\.jsonl row 2 has 2 tokens and 1 tags"):
        evaluate(
            teacher_folder, tmp_path / "o", task="ner", data=places, train=tmp_path / "bad.jsonl"
        )
    write(tmp_path / "other.jsonl", [{"tokens": ["a"], "tags": ["B-animal"]}])
    model = tuned_tokens / "seed-0" / "model"
    with pytest.raises(UserError, match="has entities of animal, the labels are of number, place"):
        evaluate(model, tmp_path / "o", task="ner", validation=tmp_path / "other.jsonl", epochs=0)
    assert not (tmp_path / "o").exists()


def test_an_export_scores_the_same(tuned_tokens, places, evaluate, tmp_path):
    from distil_jax.exporting.draft import scores_before
    from distil_jax.exporting.onnx_export import OnnxSettings, export_onnx
    from distil_jax.exporting.subject import of_head

    folder = tuned_tokens / "seed-0" / "model"
    scores = scores_before(str(folder))
    settings = OnnxSettings("none", True, (), None, str(folder), scores, "the command")
    export_onnx(of_head(pretrained.load(folder)), tmp_path / "onnx", settings)
    arguments = {"task": "ner", "data": places, "epochs": 0}
    export = evaluate(tmp_path / "onnx", tmp_path / "a", **arguments)
    again = evaluate(folder, tmp_path / "b", **arguments)
    before = json.loads((tuned_tokens / "results.json").read_text())
    assert export["metrics"] == pytest.approx(before["metrics"] | export["metrics"])
    assert np.isclose(again["score"], before["score"])
    assert np.isclose(export["score"], before["score"])
