"""declared: every key with its documentation, and those that registered objectives bring."""

import pytest

from distil_jax.configuration import objective_table
from distil_jax.configuration.declared import declared, free_to_change, nearest, renamed
from distil_jax.configuration.key import Key
from distil_jax.configuration.objective_table import OBJECTIVES, ObjectiveEntry
from distil_jax.configuration.schema import as_dict
from distil_jax.configuration.source import read
from distil_jax.configuration.tree import flat
from distil_jax.errors import UsageError

MINE = ObjectiveEntry(
    "middle",
    "somewhere.middle",
    0.5,
    "distance of the middle layers",
    options=(Key("layer", 1, "which", at_least=1),),
)


def test_every_key_is_there_once_and_documented() -> None:
    keys = declared()
    assert len({key.name for key in keys}) == len(keys)
    for key in keys:
        assert key.doc.endswith((".", "...")), key.name
        assert key.type in (bool, int, float, str)
        assert not key.choices or key.default in key.choices


def test_the_keys_are_those_of_a_config_with_their_defaults() -> None:
    assert flat(as_dict(read("base", []))) == {key.name: key.default for key in declared()}


def test_listed_weights_are_those_of_the_objectives() -> None:
    weights = {key.name: key.default for key in declared()}
    for name, entry in OBJECTIVES.items():
        assert weights[f"loss.{name}"] == entry.weight
        assert weights[f"loss.schedules.{name}"] == ""


def test_a_registered_objective_brings_its_keys() -> None:
    objective_table.register(MINE)
    try:
        config = read("base", ["--config.loss.options.middle.layer=2", "--config.loss.middle=1"])
        assert config.loss.active == ("soft_target", "masked_lm", "cosine", "middle")
        assert config.loss.option("middle", "layer") == 2
        with pytest.raises(UsageError, match=r"config\.loss\.options\.middle\.layer=0 must be at"):
            read("base", ["--config.loss.options.middle.layer=0"])
        with pytest.raises(ValueError, match="in use"):
            objective_table.register(MINE)
    finally:
        objective_table.unregister("middle")
    with pytest.raises(UsageError, match=r"config\.loss\.middle"):
        read("base", ["--config.loss.middle=1"])


def test_what_a_resumed_run_may_change() -> None:
    free = free_to_change()
    assert {"batch.micro_size", "loss.chunk", "teacher", "eval.every_steps"} < {*free}
    assert not {"seed", "batch.size", "loss.cosine", "optimizer.learning_rate"} & {*free}


def test_old_names_are_no_longer_keys() -> None:
    assert renamed().keys().isdisjoint(key.name for key in declared())
    assert nearest("parallel.rematerialize") == "parallel.remat"
    assert nearest("learning_rate") == "optimizer.learning_rate"
    assert nearest("zzzz") is None
