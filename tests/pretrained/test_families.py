"""families: the table, and configurations that carry what their family decides."""

import dataclasses
import json

import pytest

from distil_jax.errors import UserError
from distil_jax.models import EncoderConfig
from distil_jax.models.block import Block
from distil_jax.pretrained.families import FAMILIES, family_of, make_config, saved_config

SIZES = {"vocabulary": 9, "hidden_size": 4, "layers": 2, "heads": 2, "mlp_size": 6, "positions": 5}


def test_an_unsupported_type_is_named():
    with pytest.raises(UserError, match="'t5' is not supported; use one of bert, distilbert"):
        family_of("t5")


@pytest.mark.parametrize("model_type", FAMILIES)
def test_a_configuration_carries_its_familys_options(model_type):
    config, family = make_config(model_type, **SIZES), FAMILIES[model_type]
    expected = family.fields_of(SIZES)
    assert {name: getattr(config, name) for name in expected} == expected
    assert config.student_rule == family.student_rule


def test_a_bert_without_token_types_is_a_distilbert_with_its_heads():
    student = make_config("bert", **SIZES, token_types=2).student((1,), keep_token_types=False)
    assert student == dataclasses.replace(make_config("distilbert", **SIZES), layers=1)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_a_saved_configuration_is_read_back(model_type):
    """From JSON, which has no tuples; and one of the first version, which named no options."""
    block = Block(norm="pre", windows=(3, 0))
    for config in (make_config(model_type, **SIZES), make_config(model_type, **SIZES, block=block)):
        saved = json.loads(json.dumps(dataclasses.asdict(config)))
        assert saved_config(saved) == config
    old = {"vocabulary": 9, "width": 4, "layers": 2, "heads": 2, "inner_width": 6, "positions": 5}
    assert saved_config({"model_type": model_type, **old}) == make_config(model_type, **SIZES)


def test_a_wider_family_takes_what_a_smaller_one_cannot_say():
    for family in FAMILIES.values():
        assert bool(family.only) == bool(family.wider)
        fields = {field.name for field in dataclasses.fields(EncoderConfig)}
        assert {*family.keys, *family.only} <= fields
        assert not family.wider or not FAMILIES[family.wider].only
