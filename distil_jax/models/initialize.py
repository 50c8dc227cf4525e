"""Random parameters, as Hugging Face draws them."""

import math
from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Key

from distil_jax.models.config import EncoderConfig
from distil_jax.models.masked_lm import MaskedLM
from distil_jax.models.types import Params

CONSTANTS = {"bias": 0.0, "scale": 1.0}


def initialize(
    config: EncoderConfig, key: Key[Array, ""], *, sinusoidal_positions: bool = False
) -> Params:
    """Random parameters of a `MaskedLM`: normal with `initializer_range`; LayerNorms the identity.

    With `sinusoidal_positions` the position table begins as sines and cosines of the same size
    (Vaswani et al. 2017, section 3.5): near positions are alike, so attending to neighbours is
    learned sooner. It is trained on like any other table.
    """
    params = initialize_module(MaskedLM(config), key)
    if not sinusoidal_positions:
        return params
    encoder = params["encoder"]
    table = sinusoids(*encoder["embeddings"]["positions"].shape) * config.initializer_range
    embeddings = {**encoder["embeddings"], "positions": table}
    return {**params, "encoder": {**encoder, "embeddings": embeddings}}


def initialize_module(module: nn.Module, key: Key[Array, ""]) -> Params:
    """Random parameters of a module of this room: normal kernels and tables, zero biases.

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


def sinusoids(positions: int, width: int) -> Float[Array, "positions width"]:
    """Sines and cosines of geometrically spaced wavelengths, with a mean square of 1."""
    place = jnp.arange(positions, dtype=jnp.float32)[:, None]
    wavelength = 10_000.0 ** (2 * jnp.arange((width + 1) // 2) / width)
    angles = place / wavelength
    waves = jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=1)[:, :width]
    return waves * jnp.sqrt(2.0)


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
