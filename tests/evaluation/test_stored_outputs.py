"""A teacher's outputs by text: computed once, found again by other evaluations, refused by name."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from distil_jax.errors import UserError
from distil_jax.evaluation import fine_tuning_plan
from distil_jax.evaluation.settings import Settings
from distil_jax.evaluation.teacher import FineTunedTeacher
from distil_jax.target_store import open_store

from .conftest import sentences, write


@pytest.fixture
def settings(tuned: Path, teacher_folder: Path, sentiment: Path, tmp_path: Path) -> Settings:
    return Settings(
        model=str(teacher_folder),
        task="sst2",
        data=str(sentiment),
        output=tmp_path,
        teacher=str(tuned / "seed-0" / "model"),
        devices=1,
        targets=str(tmp_path / "targets"),
    )


def _outputs(settings: Settings, folder: Path) -> list[np.ndarray]:
    folder.mkdir()
    teacher = fine_tuning_plan.make(settings).teacher
    assert teacher is not None
    return list(teacher.outputs(folder))


def test_what_is_stored_is_what_the_teacher_says(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = _outputs(dataclasses.replace(settings, targets=""), tmp_path / "live")
    first = _outputs(settings, tmp_path / "first")
    np.testing.assert_allclose(first, live, atol=1e-5)
    texts = {row["sentence"] for row in sentences(96, 0)}
    assert open_store(settings.targets).tables["texts"].rows == len(texts)

    def refuse(*_: object) -> None:
        raise AssertionError("it was stored")

    monkeypatch.setattr(FineTunedTeacher, "_compute", refuse)
    np.testing.assert_array_equal(_outputs(settings, tmp_path / "again"), first)
    # Fewer texts in another order: found by what they say.
    fewer = tmp_path / "fewer.jsonl"
    write(fewer, sentences(96, 0)[::-3])
    given = dataclasses.replace(settings, given={"train": fewer})
    np.testing.assert_array_equal(_outputs(given, tmp_path / "fewer"), first[::-3])
    other = tmp_path / "other.jsonl"
    write(other, [*sentences(4, 0), {"sentence": "a text of its own", "label": 0, "idx": 4}])
    with pytest.raises(UserError, match="hold nothing for 1 of 5 texts, first 'a text of its own'"):
        _outputs(dataclasses.replace(settings, given={"train": other}), tmp_path / "other")
    with pytest.raises(UserError, match=r"or for other lengths: length was \d+ and is 12"):
        _outputs(dataclasses.replace(settings, length=12), tmp_path / "length")


def test_it_is_a_teachers(settings: Settings) -> None:
    with pytest.raises(UserError, match="name it with --teacher"):
        fine_tuning_plan.make(dataclasses.replace(settings, teacher=""))
