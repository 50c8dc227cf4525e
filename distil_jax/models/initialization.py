"""Random parameters, as Hugging Face draws them."""

import math
from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Key

from distil_jax.models.config import EncoderConfig
from distil_jax.models.masked_lm import MaskedLM
from distil_jax.models.types import Params

CONSTANTS = {"bias": 0.0, "scale": 1.0}


def initialize(config: EncoderConfig, key: Key[Array, ""]) -> Params:
    """Random parameters of a `MaskedLM`: normal with `initializer_range`, LayerNorms at 1 and 0."""
    return initialize_module(MaskedLM(config), key)


def initialize_module(module: nn.Module, key: Key[Array, ""]) -> Params:
    """Random parameters of a module of this package: normal kernels and tables, zero biases.

    The same distributions as the module's own `init`, drawn in one piece: a separate generator for
    each tensor took XLA five times as long to compile.
    """
    one_token = jnp.zeros((1, 1), jnp.int32)
    batch = {"tokens": one_token, "segments": one_token + 1}
    shapes = jax.eval_shape(module.init, key, batch)["params"]
    leaves, tree = jax.tree_util.tree_flatten_with_path(shapes)
    named = tuple((path[-1].key, leaf.shape) for path, leaf in leaves)
    drawn = _draw(key, named, module.config.initializer_range)
    return jax.tree_util.tree_unflatten(tree, drawn)


@partial(jax.jit, static_argnums=(1, 2))
def _draw(
    key: Key[Array, ""], named: tuple[tuple[str, tuple[int, ...]], ...], spread: float
) -> list[Array]:
    """One tensor for each name and shape: a constant, or its share of one normal draw."""
    sizes = [0 if name in CONSTANTS else math.prod(shape) for name, shape in named]
    normal = spread * jax.random.normal(key, (sum(sizes),))
    tensors, start = [], 0
    for (name, shape), size in zip(named, sizes, strict=True):
        if name in CONSTANTS:
            tensors.append(jnp.full(shape, CONSTANTS[name], jnp.float32))
        else:
            tensors.append(normal[start : start + size].reshape(shape))
        start += size
    return tensors
