"""Models of one run have one tokenizer; surplus rows of a table are no other tokenizer."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from distil_jax.configuration import source
from distil_jax.errors import UserError
from distil_jax.run.models import load_models

TABLE, BIAS = "bert.embeddings.word_embeddings.weight", "cls.predictions.bias"


def config(**keys: object):
    return source.read("base", [f"--{name}={value}" for name, value in keys.items()])


def swapped(folder: Path, place: Path) -> Path:
    """The same model with two pieces of its vocabulary exchanged."""
    shutil.copytree(folder, place)
    content = json.loads((place / "tokenizer.json").read_text())
    vocabulary = content["model"]["vocab"]
    vocabulary["city"], vocabulary["river"] = vocabulary["river"], vocabulary["city"]
    (place / "tokenizer.json").write_text(json.dumps(content))
    return place


def wider(folder: Path, place: Path, rows: int) -> Path:
    """The same model with further rows in its token table."""
    shutil.copytree(folder, place)
    tensors = load_file(place / "model.safetensors")
    tensors[TABLE] = np.concatenate([tensors[TABLE], tensors[TABLE][:rows]])
    tensors[BIAS] = np.concatenate([tensors[BIAS], tensors[BIAS][:rows]])
    save_file(tensors, place / "model.safetensors")
    content = json.loads((place / "config.json").read_text())
    content["vocab_size"] = len(tensors[TABLE])
    (place / "config.json").write_text(json.dumps(content))
    return place


def test_a_student_with_another_vocabulary_of_equal_size_is_refused(
    teacher_folder: Path, tmp_path: Path
) -> None:
    student = swapped(teacher_folder, tmp_path / "student")
    keys = {"config.teacher": teacher_folder, "config.student.folder": student}
    with pytest.raises(UserError, match=r"student\.folder=.* another tokenizer .* token \d+ is "):
        load_models(config(**keys))
    assert load_models(config(**keys | {"config.student.folder": teacher_folder})).student


def test_a_tokenizer_that_was_named_is_set_beside_the_models(
    teacher_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = swapped(teacher_folder, tmp_path / "other")
    load_models(config(**{"config.teacher": teacher_folder, "config.tokenizer": other}))
    assert "is not the tokenizer of config.teacher" in capsys.readouterr().err


def test_surplus_rows_are_allowed(teacher_folder: Path, tmp_path: Path) -> None:
    teacher = wider(teacher_folder, tmp_path / "wider", 35)
    models = load_models(config(**{"config.teacher": teacher}))
    assert models.student.vocabulary == len(models.tokenizer) + 35
