"""What an evaluation is asked, and what of it finished seeds belong to."""

from pathlib import Path

import pytest

from distil_jax.errors import UsageError
from distil_jax.evaluation import fine_tuning_plan, flags
from distil_jax.evaluation.settings import Settings
from distil_jax.pretrained import load

ASKED = {"model": "student", "task": "sst2", "data": "texts", "output": Path("scores")}


def test_results_of_earlier_versions_belong_to_the_same_settings() -> None:
    """They do not say what they had no choice of."""
    content = Settings(**ASKED).as_json()
    assert content.keys().isdisjoint({"optimizer", "decay", "objectives"})
    content = Settings(**ASKED, optimizer="lion", schedule="wsd", decay=0.5).as_json()
    assert (content["optimizer"], content["schedule"], content["decay"]) == ("lion", "wsd", 0.5)


def test_the_dropout_of_fine_tuning_is_the_models_unless_another_is_asked_for(
    teacher_folder: Path, sentiment: Path, tmp_path: Path
) -> None:
    """A student that was distilled without any says so in its folder."""
    asked = ASKED | {"model": str(teacher_folder), "data": str(sentiment), "output": tmp_path}

    def rates(dropout: float | None) -> tuple[float, float]:
        shape = fine_tuning_plan.make(Settings(**asked, dropout=dropout)).network.config
        return shape.dropout, shape.attention_dropout

    own = load(teacher_folder).config
    assert rates(None) == (own.dropout, own.attention_dropout)
    assert rates(0.25) == (0.25, 0.25) != (own.dropout, own.attention_dropout)
    assert rates(0.0) == (0.0, 0.0)


@pytest.mark.parametrize("rate", ["1", "-0.1", "much"])
def test_a_dropout_that_leaves_nothing_is_refused(rate: str) -> None:
    with pytest.raises(UsageError, match=r"--dropout: .* is not a rate of at least 0 and below 1"):
        flags.parser().parse_args(["--model=m", "--task=sst2", "--output=o", f"--dropout={rate}"])
