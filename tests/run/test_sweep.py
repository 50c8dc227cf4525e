"""sweep: one thing changed each, and nothing twice."""

import pytest

from distil_jax.configuration import source as config_source
from distil_jax.errors import UsageError
from distil_jax.run.variants import variants


def test_each_loss_is_removed_once_and_layers_are_chosen() -> None:
    config = config_source.read("ablation", [])
    configs = {variant.name: variant.apply(config, seed=7) for variant in variants(config, 6, None)}
    assert list(configs) == [
        "all losses", "without soft targets", "without masked LM", "without cosine",
        "random initialisation", "layers 0, 1, 2", "layers 3, 4, 5", "layers 0, 3, 5",
    ]  # fmt: skip
    assert configs["without cosine"].loss.weight("cosine") == 0
    weight = config.loss.weight("soft_target")
    assert configs["without cosine"].loss.weight("soft_target") == weight
    assert configs["random initialisation"].student.initialize == "random"
    assert configs["layers 3, 4, 5"].student.layers == "3,4,5"
    assert {config.seed for config in configs.values()} == {7}


def test_a_loss_whose_weight_moves_is_removed_with_its_schedule() -> None:
    scheduled = ["--config.loss.cosine=0", "--config.loss.schedules.cosine=0:5, 1:1"]
    config = config_source.read("ablation", scheduled)
    configs = {variant.name: variant.apply(config, seed=7) for variant in variants(config, 6, None)}
    assert configs["all losses"].loss.uses("cosine")
    assert configs["without masked LM"].loss.uses("cosine")
    assert not configs["without cosine"].loss.uses("cosine")


def test_a_loss_that_is_not_there_and_layers_that_are_the_same_are_left_out() -> None:
    config = config_source.read("ablation", ["--config.loss.cosine=0"])
    names = [variant.name for variant in variants(config, 6, ["0,2,4", "5,"])]
    assert names == [
        "all losses", "without soft targets", "without masked LM", "random initialisation",
        "layers 5",
    ]  # fmt: skip


VECTORS = (
    "--config.targets=T --config.loss.vector_cosine=1 --config.loss.soft_target=0 "
    "--config.loss.masked_lm=0 --config.loss.cosine=0"
)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("--config.student.folder=x", "student.folder"),
        ("--config.student.initialize=random", "initialize"),
        (VECTORS, "targets=T of sentence vectors"),
    ],
)
def test_what_cannot_be_varied_is_refused(override: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        variants(config_source.read("ablation", override.split()), 6, None)


def test_layers_that_the_teacher_lacks_are_refused() -> None:
    with pytest.raises(UsageError, match="--layers=9,"):
        variants(config_source.read("ablation", []), 6, ["9,"])
