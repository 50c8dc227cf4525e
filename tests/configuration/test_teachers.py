"""Several teachers in the config."""

import pytest

from distil_jax.configuration.source import read
from distil_jax.configuration.teachers import teacher_numbers, weighted_teachers
from distil_jax.errors import UsageError


def test_weights_add_to_one() -> None:
    assert weighted_teachers("gs://b/a=3, builtin:teacher=1") == (
        ("gs://b/a", 0.75),
        ("builtin:teacher", 0.25),
    )
    assert weighted_teachers("a,b") == (("a", 0.5), ("b", 0.5))


def test_the_first_is_the_one_that_the_student_starts_from() -> None:
    config = read("base", ["--config.teachers=a=1,b=3"])
    assert config.teacher == "a"
    assert config.every_teacher == (("a", 0.25), ("b", 0.75))
    assert read("base", []).every_teacher == (("builtin:teacher", 1.0),)


@pytest.mark.parametrize("text", ["a=0", "a=-1", "a=x", "=1", "a,a", "a=nan", ","])
def test_what_is_no_list_of_teachers(text: str) -> None:
    with pytest.raises(UsageError, match="FOLDER=WEIGHT"):
        weighted_teachers(text)


def test_numbers() -> None:
    assert teacher_numbers("cosine=1", 2) == {"cosine": 1}
    for text, named in (("cosine=2", "'2' is no teacher"), ("masked_lm=0", "'masked_lm' is no")):
        with pytest.raises(UsageError, match=named):
            teacher_numbers(text, 2)
    with pytest.raises(UsageError, match="probabilities are averaged"):
        read("base", ["--config.teachers=a,b", "--config.loss.logit_mse=1"])
