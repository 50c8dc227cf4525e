"""schema: base.py's keys and the dataclasses agree, and values out of range are named."""

import dataclasses
import typing
from typing import Any

import pytest

from distil_jax.configuration import source as config_source
from distil_jax.configuration.declared import declared
from distil_jax.configuration.key import Key
from distil_jax.configuration.loss import Loss
from distil_jax.configuration.schema import Config, as_dict, from_mapping, from_saved
from distil_jax.configuration.tree import flat, nested
from distil_jax.errors import UsageError


def mapping(**changes: Any) -> dict[str, Any]:
    """base.py's values with some changed: `mapping(**{"batch.micro_size": 4})`."""
    values = as_dict(config_source.read("base", []))
    for key, value in changes.items():
        *sections, name = key.split(".")
        section = values
        for part in sections:
            section = section[part]
        section[name] = value
    return values


def test_no_dataclass_has_a_default() -> None:
    def check(kind: Any) -> None:
        for field in dataclasses.fields(kind):
            assert field.default is field.default_factory is dataclasses.MISSING, field.name

    check(Config)
    for section in vars(from_mapping(mapping())).values():
        if dataclasses.is_dataclass(section):
            check(section)


def test_a_config_goes_to_a_dict_and_back() -> None:
    config = from_mapping(mapping(**{"loss.temperature": 3}))
    assert config.loss.temperature == 3.0
    assert from_mapping(as_dict(config)) == config


def typed(kind: Any, prefix: str = "") -> dict[str, type]:
    """The keys of the dataclasses by dotted name; those of the losses come from their table."""
    found: dict[str, type] = {}
    for name, hint in typing.get_type_hints(kind).items():
        below = dataclasses.is_dataclass(hint) and hint is not Loss
        found |= typed(hint, f"{prefix}{name}.") if below else {f"{prefix}{name}": hint}
    return found


def test_the_dataclasses_have_every_declared_key_with_its_type() -> None:
    keys = {key.name: key.type for key in declared() if not key.name.startswith("loss.")}
    assert keys | {"loss": Loss} == typed(Config)


LIMITED = [
    key
    for key in declared()
    if (key.at_least, key.at_most, key.above) != (None,) * 3 or key.choices
]


@pytest.mark.parametrize("key", LIMITED, ids=lambda key: key.name)
def test_every_limit_holds(key: Key) -> None:
    wrong: list[Any] = ["neither"] if key.choices else []
    wrong += [key.at_least - 1] if key.at_least is not None else []
    wrong += [key.at_most + 1] if key.at_most is not None else []
    wrong += [key.above] if key.above is not None else []
    for value in wrong:
        with pytest.raises(UsageError, match=rf"config\.{key.name}='?{value}"):
            from_mapping(mapping(**{key.name: value}))


def test_a_config_that_was_saved_before_a_key_existed_is_read() -> None:
    leaves = flat(mapping(**{"batch.size": 64, "parallel.remat": "layer"}))
    del leaves["log.tensorboard"]
    leaves["batch.sequences"] = leaves.pop("batch.size")
    leaves["parallel.rematerialise"] = leaves.pop("parallel.remat")
    config = from_saved(nested(leaves))
    assert config == from_mapping(mapping(**{"batch.size": 64, "parallel.remat": "layer"}))


def test_an_objective_that_is_not_registered_here_keeps_its_weight() -> None:
    values = mapping(**{"loss.theirs": 0.5, "loss.schedules.theirs": "0:1, 1:2"})
    config = from_saved(values)
    assert config.loss.weight("theirs") == 0.5
    assert "theirs" in config.loss.active
    assert as_dict(config) == values
    with pytest.raises(UsageError, match=r"unknown config key config\.loss\.schedules\.theirs"):
        from_mapping(values)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": "7"}, r"config\.seed='7' must be of type int"),
        ({"seed": True}, r"config\.seed=True must be of type int"),
        ({"epochs": float("inf")}, r"config\.epochs=inf must be a finite number"),
        ({"batch.sequence": 8}, r"unknown .*config\.batch\.sequence; did you mean config\.batch\."),
        ({"masking.mask_percent": 95}, r"mask_percent=95 and random_percent=10 are more than 100"),
        ({"epochs": 0.0}, r"config\.total_steps=0 and config\.epochs=0\.0"),
        (
            {"teacher": ""},
            r"config\.teacher is empty but config\.loss\.soft_target and cosine need",
        ),
        ({"student.freeze": "head"}, r"config\.student\.freeze='head' is none of none, positions"),
        (
            {"loss.schedules.cosine": "0:1, 0.5"},
            r"config\.loss\.schedules\.cosine: '0\.5' \(there is no colon\)",
        ),
        ({"loss.schedules.temperature": "0:2, 1:0"}, r"temperature='0:2, 1:0': it must stay above"),
        (
            {"teacher": "", "loss.soft_target": 0.0, "loss.cosine": 0.0, "loss.logit_mse": 1.0},
            r"config\.teacher is empty but config\.loss\.logit_mse need one",
        ),
        (
            {"loss.vector_cosine": 1.0, "loss.soft_target": 0.0},
            r"config\.loss\.masked_lm is of single tokens, .* set config\.loss\.masked_lm=0",
        ),
        (
            {
                "loss.similarity_mse": 1.0,
                "loss.soft_target": 0.0,
                "loss.masked_lm": 0.0,
                "batch.micro_size": 4,
            },
            r"config\.batch\.micro_size=4 is no multiple of .*\.similarity_mse\.rows=8",
        ),
        (
            {
                "loss.similarity_mse": 1.0,
                "loss.soft_target": 0.0,
                "loss.masked_lm": 0.0,
                "loss.options.similarity_mse.widths": "8,x",
            },
            r"similarity_mse\.widths='8,x' is no list of WIDTH:WEIGHT",
        ),
        (
            {"loss.soft_target": 0.0, "loss.masked_lm": 0.0, "loss.cosine": 0.0},
            r"config\.loss\.soft_target, masked_lm, .*, cosine, .* are 0",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        from_mapping(mapping(**changes))


def test_a_missing_key_is_named() -> None:
    values = mapping()
    del values["loss"]["cosine"]
    with pytest.raises(UsageError, match=r"missing config key config\.loss\.cosine"):
        from_mapping(values)
