"""The table of objectives, and what each of its files says."""

import pytest

from distil_jax import objectives
from distil_jax.configuration.objective_table import OBJECTIVES
from distil_jax.configuration.source import read
from distil_jax.losses import WeightedSum
from distil_jax.models import EncoderConfig

NARROW = EncoderConfig("bert", 97, hidden_size=16, layers=1, heads=2, mlp_size=32, positions=8)
WIDE = EncoderConfig("bert", 97, hidden_size=32, layers=1, heads=2, mlp_size=32, positions=8)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_entry_and_its_objective_agree(name: str) -> None:
    objective = objectives.get(name)
    assert objective.name == name
    assert objective.needs_teacher == OBJECTIVES[name].needs_teacher


def test_active_and_measured_ones() -> None:
    def names(found: tuple[objectives.Objective, ...]) -> list[str]:
        return [one.name for one in found]

    loss = read("base", ["--config.loss.soft_target=0", "--config.loss.logit_mse=1"]).loss
    assert names(objectives.active(loss)) == ["masked_lm", "cosine", "logit_mse"]
    standard = ["soft_target", "masked_lm", "causal_lm", "cosine"]
    assert names(objectives.measured(loss)) == [*standard, "logit_mse"]
    assert "logit_mse" not in names(objectives.measured(read("base", []).loss))


def test_what_can_be_compared() -> None:
    cosine, soft_target = objectives.get("cosine"), objectives.get("soft_target")
    assert soft_target.comparable(NARROW, WIDE)
    assert not cosine.comparable(NARROW, WIDE)
    assert cosine.comparable(WIDE, WIDE)
    assert not soft_target.comparable(NARROW, None)


def test_an_objective_needs_one_kind_of_sum() -> None:
    with pytest.raises(ValueError, match="either compute or vocabulary"):
        objectives.Objective("empty", count=objectives.all_tokens)


def test_a_name_is_taken_once() -> None:
    objective = objectives.Objective(
        "cosine", count=objectives.all_tokens, compute=lambda _: WeightedSum.zero()
    )
    with pytest.raises(ValueError, match="'cosine'"):
        objectives.register(objective, summary="another")
    assert objectives.get("cosine") is not objective
