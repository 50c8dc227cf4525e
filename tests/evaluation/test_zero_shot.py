"""A model of natural-language inference as the teacher of labels that it never saw."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.special

from distil_jax import pretrained
from distil_jax.errors import UsageError, UserError
from distil_jax.evaluation import zero_shot
from distil_jax.target_store import open_texts
from distil_jax.tasks.encoding import encode

from .conftest import sentences, write

CANDIDATES = "negative=city,positive=river"
TEMPLATE = "the {} ."
CLASSES = ("entailment", "neutral", "contradiction")


def _pairs(count: int, seed: int) -> list[dict]:
    """A sentence about the river entails "the river .", and contradicts "the city ."."""
    rows = []
    for number, row in enumerate(sentences(count, seed)):
        follows = number % 4 < 2
        word = ["city", "river"][row["label"] if follows else 1 - row["label"]]
        label = "entailment" if follows else "contradiction"
        if number % 24 == 0:
            word, label = "was", "neutral"
        pair = {"premise": row["sentence"], "hypothesis": f"the {word} .", "label": label}
        rows.append(pair)
    return rows


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zero")
    write(folder / "nli_train.jsonl", _pairs(192, 3))
    write(folder / "nli_validation.jsonl", _pairs(48, 4))
    write(folder / "texts.jsonl", [{"text": row["sentence"]} for row in sentences(96, 5)])
    names = ["negative", "positive"]
    rows = [{"text": row["sentence"], "label": names[row["label"]]} for row in sentences(40, 1)]
    write(folder / "validation.jsonl", rows)
    write(folder / "sets.jsonl", [{**row, "label": [row["label"]]} for row in rows])
    return folder


@pytest.fixture(scope="module")
def inference(teacher_folder: Path, data: Path, evaluate: Callable[..., dict]) -> Path:
    output = data / "nli"
    found = evaluate(
        teacher_folder,
        output,
        task="classification",
        train=data / "nli_train.jsonl",
        validation=data / "nli_validation.jsonl",
        epochs=6,
    )
    assert found["score"] > 85
    return output / "seed-0" / "model"


def _student(
    evaluate: Callable[..., dict], model: Path, teacher: Path, data: Path, output: Path, **more
) -> dict:
    flags = {
        "task": "classification",
        "validation": data / "validation.jsonl",
        "unlabelled": data / "texts.jsonl",
        "teacher": teacher,
        "candidate-labels": CANDIDATES,
        "hypothesis-template": TEMPLATE,
    }
    return evaluate(model, output, **flags | more)


@pytest.mark.slow
def test_a_student_learns_labels_that_nobody_gave_it(
    teacher_folder, inference, data, evaluate, tmp_path
):
    output = tmp_path / "o"
    found = _student(evaluate, teacher_folder, inference, data, output)
    assert found["labels"] == ["negative", "positive"]
    assert found["counts"]["train"] == 0
    assert found["counts"]["unlabelled"] == 96
    assert found["zero_shot_teacher"]["accuracy"] > 85
    assert found["score"] > 85
    model = pretrained.load(output / "seed-0" / "model", require_head="classification")
    assert model.labels == ("negative", "positive")
    # Each text's scores are the logits of entailment of its two hypotheses.
    table = open_texts(output / zero_shot.FOLDER)
    text = sentences(96, 5)[7]["sentence"]
    (scores,) = table.gather([text])[zero_shot.SCORES]
    teacher = pretrained.load(inference, require_head="classification")
    hypotheses = ["the city .", "the river ."]
    encoded = encode([text] * 2, hypotheses, teacher.tokenizer, length=64)
    logits = _logits(teacher, encoded)
    np.testing.assert_allclose(
        scores, logits[:, list(teacher.labels).index("entailment")], atol=1e-5
    )


def _logits(model, encoded) -> np.ndarray:
    import jax

    from distil_jax.evaluation.batched_forward import BatchedForward
    from distil_jax.tasks.classification import CLASSIFICATION
    from distil_jax.tasks.network import Network
    from distil_jax.training.parallel import Devices

    network = Network(CLASSIFICATION, model.config, 3, 64)
    forward = BatchedForward(network, Devices("jit", tuple(jax.devices()[:1])), 0)
    return np.stack(forward(model.params)(encoded))


def test_several_labels_are_held_against_contradiction(
    teacher_folder, inference, data, evaluate, tmp_path
):
    found = _student(
        evaluate,
        teacher_folder,
        inference,
        data,
        tmp_path / "o",
        task="multilabel",
        validation=data / "sets.jsonl",
        epochs=1,
    )
    assert found["zero_shot_teacher"]["micro_f1"] > 80
    scores = open_texts(tmp_path / "o" / zero_shot.FOLDER).gather([sentences(96, 5)[7]["sentence"]])
    shares = scipy.special.expit(scores[zero_shot.SCORES][0])
    assert shares[1] > 0.5 > shares[0]


def test_what_is_stored_is_not_computed_again(
    teacher_folder, inference, data, evaluate, tmp_path, monkeypatch
):
    output = tmp_path / "o"
    monkeypatch.setattr(zero_shot, "TEXTS_AT_ONCE", 32)
    asked: list[int] = []
    compute = zero_shot.ZeroShotTeacher._compute

    def interrupted(self, texts):
        asked.append(len(texts))
        if len(asked) == 2:
            raise KeyboardInterrupt
        return compute(self, texts)

    monkeypatch.setattr(zero_shot.ZeroShotTeacher, "_compute", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _student(evaluate, teacher_folder, inference, data, output, epochs=1)
    first, asked[:] = list(asked), [0, 0]
    _student(evaluate, teacher_folder, inference, data, output, epochs=1)
    distinct = len({row["sentence"] for row in sentences(96, 5)})
    assert first == [32, 32]
    # The first shard stays; then come the validation texts.
    assert sum(asked[2:]) == distinct - 32 + len({row["sentence"] for row in sentences(40, 1)})


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"epochs": 0}, "and --epochs=1 or more"),
        ({"unlabelled": ""}, "needs texts: give --unlabelled"),
        ({"candidate-labels": "good,bad"}, "unknown label 'negative'; the labels are good, bad"),
        ({"objectives": "cosine=1"}, "a zero-shot teacher reads other sequences"),
        ({"task": "ner"}, "are for classification and multilabel, not for tokens"),
    ],
)
def test_what_does_not_go_together_is_refused(
    teacher_folder, inference, data, evaluate, tmp_path, flags, message
):
    with pytest.raises(UserError, match=message):
        _student(evaluate, teacher_folder, inference, data, tmp_path / "o", **flags)
    assert not (tmp_path / "o").exists()


def test_a_teacher_must_be_named(teacher_folder, data, evaluate, tmp_path):
    with pytest.raises(
        UserError, match="name a model of natural-language inference with --teacher"
    ):
        _student(evaluate, teacher_folder, "", data, tmp_path / "o")


def test_a_teacher_without_entailment_is_refused(teacher_folder, tuned, data, evaluate, tmp_path):
    with pytest.raises(UserError, match="has the classes negative, positive, none of them entailm"):
        _student(evaluate, teacher_folder, tuned / "seed-0" / "model", data, tmp_path / "o")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"candidate-labels": "alone"}, "is not two or more different labels"),
        ({"candidate-labels": "a,a"}, "is not two or more different labels"),
        ({"hypothesis-template": "about it"}, "needs one {}"),
    ],
)
def test_mistyped_flags_are_named(teacher_folder, data, evaluate, tmp_path, flags, message):
    with pytest.raises(UsageError, match=message):
        _student(evaluate, teacher_folder, teacher_folder, data, tmp_path / "o", **flags)


def test_phrases_must_be_those_of_the_labels():
    with pytest.raises(UserError, match="are not the labels of the data, a, b"):
        zero_shot.hypotheses_of({"a": "x", "c": "y"}, ("a", "b"), "{}")
    found = zero_shot.hypotheses_of({"a": "one x", "b": ""}, ("a", "b"), "It is {}.")
    assert found == {"a": "It is one x.", "b": "It is b."}


def test_two_classes_are_enough():
    assert zero_shot._classes("m", ("entailment", "not_entailment")) == (0, 1)
    assert zero_shot._classes("m", ("contradiction", "neutral", "entailment")) == (2, 0)
    assert zero_shot._classes("m", CLASSES) == (0, 2)
