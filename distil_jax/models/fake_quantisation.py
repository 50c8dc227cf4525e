"""Fake quantisation: a forward pass rounded as in int8, with gradients as if it were not.

Weights have a scale for each column (a token table for each row), what they multiply one scale and
zero point for each row of the batch, of the range it has there at that moment: the arithmetic of
`export --quantize=int8 --target=any` (Jacob et al. 2018, section 3) of one text at a time, whatever
else a device computes beside it. Gradients pass straight through (Bengio et al. 2013).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from distil_jax.models.dense import Dense
from distil_jax.models.types import Params

LARGEST = 64
"""Of a weight: 7 bits, as onnxruntime rounds them; no processor is given coarser ones."""
LEVELS = 255
"""Steps of an activation's range."""
TABLES = ("tokens", "table")
"""Leaves that are looked up by row and multiplied transposed, by their names."""
TINY = float(jnp.finfo(jnp.float32).tiny)


def rounded_weights(weights: Float[Array, "*any"], axis: int) -> Float[Array, "*any"]:
    """Whole numbers from -LARGEST to LARGEST times a scale, which is the same along `axis`."""
    wide = weights.astype(jnp.float32)
    scale = jnp.maximum(jnp.abs(wide).max(axis, keepdims=True) / LARGEST, TINY)
    return _straight_through(weights, jnp.round(wide / scale) * scale)


def rounded_inputs(x: Float[Array, "rows *any"]) -> Float[Array, "rows *any"]:
    """LEVELS equal steps from the smallest to the largest value of each row, 0 among them.

    Of one row as ONNX's DynamicQuantizeLinear.
    """
    wide, within = x.astype(jnp.float32), tuple(range(1, x.ndim))
    low = jnp.minimum(wide.min(within, keepdims=True), 0.0)
    high = jnp.maximum(wide.max(within, keepdims=True), 0.0)
    scale = jnp.maximum((high - low) / LEVELS, TINY)
    zero = jnp.round(-low / scale)
    levels = jnp.clip(jnp.round(wide / scale) + zero, 0, LEVELS)
    return _straight_through(x, (levels - zero) * scale)


def quantised_params(params: Params) -> Params:
    """All kernels, stacked or not, and the token tables rounded; the rest as it is."""

    def rounded(path: tuple[Any, ...], leaf: Array) -> Array:
        name = getattr(path[-1], "key", "")
        if name == "kernel":
            return rounded_weights(leaf, -2)
        return rounded_weights(leaf, -1) if name in TABLES else leaf

    return jax.tree_util.tree_map_with_path(rounded, params)


@contextmanager
def quantised_inputs() -> Iterator[None]:
    """Within it every `Dense` that is traced rounds what it multiplies."""

    def intercept(call: Callable, inputs: tuple, options: dict, context: Any) -> Any:
        if isinstance(context.module, Dense) and context.method_name == "__call__":
            inputs = (rounded_inputs(inputs[0]), *inputs[1:])
        return call(*inputs, **options)

    with nn.intercept_methods(intercept):
        yield


def _straight_through(value: Array, rounded: Array) -> Array:
    """The rounded value, with the gradient of the value."""
    return value + jax.lax.stop_gradient(rounded.astype(value.dtype) - value)
