"""Random parameters, as Hugging Face draws them."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Key

from distil_jax.models.config import EncoderConfig
from distil_jax.models.masked_lm import MaskedLM
from distil_jax.models.types import Params


def initialize_module(module: nn.Module, key: Key[Array, ""]) -> Params:
    """Random parameters of a module that takes a batch: normal kernels and tables, zero biases."""
    one_token = jnp.zeros((1, 1), jnp.int32)
    batch = {"tokens": one_token, "segments": one_token + 1}
    return jax.jit(module.init)(key, batch)["params"]


def initialize(config: EncoderConfig, key: Key[Array, ""]) -> Params:
    """Random parameters of a `MaskedLM`: normal with `initializer_range`, LayerNorms at 1 and 0."""
    return initialize_module(MaskedLM(config), key)
