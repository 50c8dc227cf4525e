"""Causal language modelling (Radford et al. 2019): each token from those before it; no teacher."""

from dataclasses import replace

from distil_jax.objectives import masked_lm

OBJECTIVE = replace(
    masked_lm.OBJECTIVE,
    name="causal_lm",
    causal=True,
    floor=lambda teacher: teacher.get("causal_lm"),
)
