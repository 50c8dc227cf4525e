"""The pooler of a folder: pretrained with the encoder, and no part of a masked-LM head."""

from pathlib import Path

import jax.numpy as jnp

from distil_jax.models import EncoderConfig
from distil_jax.models.types import Params
from distil_jax.pretrained.families import family_of
from distil_jax.pretrained.tensor_names import open_model


def load_pooler(folder: Path, config: EncoderConfig) -> Params | None:
    """The dense map that a fresh classification head starts from; None without one."""
    family = family_of(config.model_type)
    if not family.pooler:
        return None
    tensors = open_model(folder, config)
    for prefix in (f"{family.prefix}.", ""):
        names = [f"{prefix}{family.pooler}.{kind}" for kind in ("weight", "bias")]
        if all(name in tensors for name in names):
            kernel = tensors.read(names[0], (config.hidden_size, config.hidden_size))
            bias = tensors.read(names[1], (config.hidden_size,))
            return {"kernel": jnp.asarray(kernel.T), "bias": jnp.asarray(bias)}
    return None
