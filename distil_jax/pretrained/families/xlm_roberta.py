"""XLM-RoBERTa (Conneau et al. 2020): RoBERTa with another vocabulary."""

from dataclasses import replace

from distil_jax.pretrained.families import bert, roberta
from distil_jax.pretrained.families.family import classes

FAMILY = replace(
    roberta.FAMILY,
    model_type="xlm-roberta",
    keys={**bert.KEYS, "pad_token": ("pad_token_id", 1)},
    classes=classes("XLMRoberta"),
)
