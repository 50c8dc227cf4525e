"""A whole run of sentence vectors: resumed, exported, in micro-batches and under pmap alike."""

import json

import numpy as np
import pytest

from distil_jax.errors import UserError
from distil_jax.export import main as export
from distil_jax.main import main
from distil_jax.pretrained import load_sentence_model
from distil_jax.training.metrics_file import read

STEPS = 4


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    words = ["the", "river", "old", "city", "was", "in", "is", "to"]
    draw = np.random.default_rng(0)
    texts = [" ".join(draw.choice(words, draw.integers(2, 5))) for _ in range(240)]
    records = [{"a": one, "b": other} for one, other in zip(texts[::2], texts[1::2], strict=True)]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.fixture(scope="module")
def command(teacher_folder, pairs):
    def command_line(workdir, **changes):
        values = {
            "teacher": teacher_folder,
            "data.train": pairs,
            "data.column": "a,b",
            "data.heldout": 0.2,
            "batch.size": 8,
            "batch.length": 16,
            "total_steps": STEPS,
            "loss.contrastive": 0.5,
            "loss.options.similarity_mse.rows": 2,
            "loss.options.contrastive.rows": 2,
            "log.every_steps": 1,
            "log.tensorboard": False,
            "eval.every_steps": 2,
            "checkpoint.every_steps": 2,
            "parallel.devices": 1,
        } | changes
        keys = [f"--config.{key}={value}" for key, value in values.items()]
        return ["--config=embedding", f"--workdir={workdir}", *keys]

    return command_line


@pytest.fixture(scope="module")
def finished(command, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("sentences") / "run"
    main(command(workdir))
    return workdir


def test_the_student_is_a_folder_of_sentence_transformers(finished):
    student = load_sentence_model(finished / "student")
    assert student.vectors.pooling == ("mean",)
    results = json.loads((finished / "results.json").read_text())["models"]
    figures = results["student, distilled"]
    assert {"vector_cosine", "similarity_mse", "contrastive"} <= figures.keys()
    assert figures["vector_cosine"] < results["student, initialised"]["vector_cosine"]
    assert "masked_lm" not in figures
    card = (finished / "student" / "README.md").read_text()
    assert "sentence-similarity" in card
    assert "cosine of sentence vectors" in card


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes", [{"batch.micro_size": 4}, {"parallel.mode": "pmap", "eval.batch_size": 3}]
)
def test_losses_do_not_depend_on_micro_batches_or_devices(
    finished, command, changes, tmp_path, blank_figures
):
    devices = 2 if "parallel.mode" in changes else 1
    main(command(tmp_path / "run", **{"parallel.devices": devices, **changes}))
    lines = [read(folder / "metrics.jsonl") for folder in (finished, tmp_path / "run")]
    compared = ("loss", "vector_cosine", "similarity_mse", "contrastive")
    for name in (*compared, *(f"validation_{name}" for name in compared)):
        one, other = ([line[name] for line in each if name in line] for each in lines)
        np.testing.assert_allclose(one, other, rtol=2e-3, err_msg=name)


def test_a_checkpoint_is_exported_as_sentence_model(finished, tmp_path):
    export([f"--workdir={finished}", f"--output={tmp_path / 'model'}"])
    one, other = (
        load_sentence_model(folder) for folder in (finished / "student", tmp_path / "model")
    )
    assert one.vectors == other.vectors
    for each in ("tokens", "positions"):
        np.testing.assert_array_equal(
            one.model.params["encoder"]["embeddings"][each],
            other.model.params["encoder"]["embeddings"][each],
        )


def test_contrastive_needs_rows_of_pairs(command, text_file, tmp_path):
    changes = {"data.train": text_file, "data.column": "text"}
    with pytest.raises(UserError, match=r"contrastive compares pairs of texts, .* single ones"):
        main(command(tmp_path / "run", **changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parallel.devices": 8}, r"=8 over 8 devices is 1 rows each, .*batch\.size to 16, or use"),
        (
            {"loss.options.contrastive.widths": "16:1, 33:1"},
            r"contrastive\.widths='16:1, 33:1': the student's vectors have 32 numbers",
        ),
        ({"loss.causal_lm": 1.0}, r"loss\.causal_lm is of single tokens, .*loss\.causal_lm=0"),
    ],
)
def test_what_cannot_be_computed_is_refused_before_text_is_prepared(
    command, changes, message, tmp_path
):
    with pytest.raises(UserError, match=message):
        main(command(tmp_path / "run", **changes))
    assert not (tmp_path / "run").exists()
