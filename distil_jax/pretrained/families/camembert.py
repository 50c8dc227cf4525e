"""CamemBERT (Martin et al. 2020): RoBERTa in French."""

from dataclasses import replace

from distil_jax.pretrained.families import xlm_roberta
from distil_jax.pretrained.families.family import classes

FAMILY = replace(xlm_roberta.FAMILY, model_type="camembert", classes=classes("Camembert"))
