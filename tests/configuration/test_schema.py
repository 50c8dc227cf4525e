"""config: base.py and the dataclasses agree, and values out of range are named."""

import dataclasses
from typing import Any

import pytest

from distil_jax.configuration import source as config_source
from distil_jax.configuration.schema import (
    ABOVE,
    AT_LEAST,
    AT_MOST,
    CHOICES,
    Config,
    as_dict,
    from_mapping,
)
from distil_jax.errors import UsageError


def mapping(**changes: Any) -> dict[str, Any]:
    """base.py's values with some changed: `mapping(**{"batch.micro": 4})`."""
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


@pytest.mark.parametrize("key", [*CHOICES, *AT_LEAST, *AT_MOST, *ABOVE])
def test_every_limit_is_of_a_key_that_exists_and_holds(key: str) -> None:
    wrong: list[Any] = []
    wrong += ["neither"] if key in CHOICES else []
    wrong += [AT_LEAST[key] - 1] if key in AT_LEAST else []
    wrong += [AT_MOST[key] + 1] if key in AT_MOST else []
    wrong += [ABOVE[key]] if key in ABOVE else []
    for value in wrong:
        with pytest.raises(UsageError, match=rf"config\.{key}='?{value}"):
            from_mapping(mapping(**{key: value}))


@pytest.mark.parametrize(
    ("changes", "told"),
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
            {"loss.soft_target": 0.0, "loss.masked_lm": 0.0, "loss.cosine": 0.0},
            r"config\.loss\.soft_target, masked_lm, cosine, logit_mse are 0",
        ),
    ],
)
def test_what_does_not_go_together_is_told(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        from_mapping(mapping(**changes))


def test_a_missing_key_is_named() -> None:
    values = mapping()
    del values["loss"]["cosine"]
    with pytest.raises(UsageError, match=r"missing config key config\.loss\.cosine"):
        from_mapping(values)
