"""The families of encoders whose folders are read and written: one file each, and their table."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from distil_jax.errors import UserError
from distil_jax.models import EncoderConfig
from distil_jax.models.block import Block
from distil_jax.models.config import HeadOptions, StudentRule, current_fields
from distil_jax.pretrained.families import (
    bert,
    camembert,
    deberta_v2,
    distilbert,
    electra,
    gpt2,
    modernbert,
    mpnet,
    roberta,
    xlm_roberta,
    xlm_roberta_xl,
)
from distil_jax.pretrained.families.family import Family

FAMILIES: dict[str, Family] = {
    family.model_type: family
    for family in (
        bert.FAMILY,
        distilbert.FAMILY,
        roberta.FAMILY,
        xlm_roberta.FAMILY,
        xlm_roberta_xl.FAMILY,
        camembert.FAMILY,
        electra.FAMILY,
        mpnet.FAMILY,
        deberta_v2.FAMILY,
        modernbert.FAMILY,
        gpt2.FAMILY,
    )
}


FIELD_NAMES = tuple(field.name for field in dataclasses.fields(EncoderConfig))[1:]
"""Those of a configuration, its model type left out."""


def family_of(model_type: str) -> Family:
    """The family of a model type; raises `UserError` naming those that are supported."""
    if model_type not in FAMILIES:
        raise UserError(
            f"model type {model_type!r} is not supported; use one of {', '.join(FAMILIES)}"
        )
    return FAMILIES[model_type]


def make_config(model_type: str, *sizes: Any, **fields: Any) -> EncoderConfig:
    """An `EncoderConfig` with what the family decides: blocks, heads, student rule.

    `sizes` and `fields` are those of `EncoderConfig`. Raises `UserError` for an unknown type.
    """
    named = dict(zip(FIELD_NAMES, sizes, strict=False)) | fields
    return EncoderConfig(model_type, **family_of(model_type).fields_of(named) | named)


def saved_config(fields: Mapping[str, Any]) -> EncoderConfig:
    """The `EncoderConfig` that `dataclasses.asdict` made these fields of, also an earlier one."""
    named: dict[str, Any] = current_fields(fields)
    if "block" in named:
        block = {name: _tuple(value) for name, value in named["block"].items()}
        named |= {"block": Block(**block), "head": HeadOptions(**named["head"])}
        rule = named["student_rule"]
        if rule is not None:
            named["student_rule"] = StudentRule(**{**rule, "head": HeadOptions(**rule["head"])})
    return make_config(**named)


def _tuple(value: Any) -> Any:
    """JSON has lists alone."""
    return tuple(value) if isinstance(value, list) else value
