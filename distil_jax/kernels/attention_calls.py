"""How the attention kernels are called: their grids, and how their arrays lie in blocks."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jaxtyping import Array

from distil_jax.kernels.attention_kernels import (
    BlockRules,
    Given,
    bias_gradient_kernel,
    forward_kernel,
    key_gradient_kernel,
    query_gradient_kernel,
)

Named = tuple[Any, str]
"""An array, or what is to become one, and the letters of its axes."""


@dataclass(frozen=True)
class Calls:
    """How kernels of one platform are called, and how their arrays lie.

    A letter names an axis: b the batch, h the heads, q queries, k keys, d a head's numbers. A GPU's
    kernels take [batch, length, heads, head_size]; a TPU's, whose blocks are of the two last axes,
    [batch, heads, length, head_size].
    """

    rules: BlockRules
    gpu: bool
    interpret: bool

    @property
    def queries(self) -> str:
        return "bqhd" if self.gpu else "bhqd"

    @property
    def keys(self) -> str:
        return "bkhd" if self.gpu else "bhkd"

    def laid_out(self, x: Array) -> Array:
        return x if self.gpu else x.swapaxes(1, 2)

    def call(
        self,
        kernel: Callable[..., None],
        grid: str,
        state: Array,
        segments: Array,
        arrays: list[Named],
        out: list[Named],
        *,
        products: int,
    ) -> Any:
        """Run a kernel at each place of a grid of these axes; a GPU's are the other way round.

        An array is whole along the axes that the grid lacks. `products`: how many there are for two
        blocks of tokens that see each other.
        """
        row = (segments, "bk") if self.gpu else (segments[:, None, :], "b.k")
        arrays = [(segments[:, :, None], "bq."), row, *arrays]
        named = [(array, axes) for array, axes in [*arrays, *out] if array is not None]
        sizes = {
            axis: size if axis in "bh" else size // self.rules.block
            for array, axes in named
            for axis, size in zip(axes, array.shape, strict=True)
        }
        order = grid[::-1] if self.gpu else grid
        options: dict[str, Any] = {}
        if self.gpu and not self.interpret:
            from jax.experimental.pallas import triton

            options["compiler_params"] = triton.CompilerParams(num_warps=4, num_stages=2)
        return pl.pallas_call(
            partial(kernel, rules=self.rules, gpu=self.gpu),
            grid=tuple(sizes[axis] for axis in order),
            in_specs=[
                Given(self._of_state(state, order), *(self._spec(order, *one) for one in arrays))
            ],
            out_specs=[self._spec(order, *one) for one in out],
            out_shape=[array for array, _ in out],
            interpret=self.interpret,
            cost_estimate=self._cost(named, sizes, products),
            **options,
        )(Given(state, *(array for array, _ in arrays)))

    def _spec(self, order: str, array: Any, axes: str) -> pl.BlockSpec | None:
        """A row and a head are taken alone, tokens by blocks, and what is not in `order` whole."""
        if array is None:
            return None

        def index(*place: Any) -> tuple:
            at = dict(zip(order, place, strict=True))
            return tuple(at.get(axis, 0) for axis in axes)

        def part(axis: str, size: int) -> int | None:
            if axis not in order:
                return size
            return None if axis in "bh" else self.rules.block

        return pl.BlockSpec(tuple(map(part, axes, array.shape)), index)

    def _of_state(self, state: Array, order: str) -> pl.BlockSpec | None:
        if self.gpu:
            return self._spec(order, state, "b.")
        from jax.experimental.pallas import tpu

        return pl.BlockSpec(memory_space=tpu.SMEM)

    def _cost(self, named: list[Named], sizes: dict[str, int], products: int) -> pl.CostEstimate:
        """Of all pairs of blocks: how often a kernel's loop runs cannot be read from it."""
        head_size = next(array.shape[-1] for array, axes in named if axes[-1] == "d")
        scores = sizes["b"] * sizes["h"] * self.rules.pairs(sizes["q"]) * self.rules.block**2
        return pl.CostEstimate(
            flops=2 * products * scores * head_size,
            transcendentals=scores,
            bytes_accessed=sum(array.size * array.dtype.itemsize for array, _ in named),
        )


def run_forward(
    calls: Calls, state: Array, segments: Array, bias: Array | None, *heads: Array
) -> tuple:
    """The output, and the logarithms of the sums of exponentials [batch, heads, length, 1]."""
    query, key, value = map(calls.laid_out, heads)
    batch, length, count, _ = heads[0].shape
    sums = jax.ShapeDtypeStruct((batch, count, length, 1), jnp.float32)
    output, log_sums = calls.call(
        forward_kernel,
        "bhq",
        state,
        segments,
        [(bias, "hqk"), (query, calls.queries), (key, calls.keys), (value, calls.keys)],
        [(_like(query), calls.queries), (sums, "bhq.")],
        products=2,
    )
    return calls.laid_out(output), log_sums


def run_backward(
    calls: Calls,
    state: Array,
    segments: Array,
    bias: Array | None,
    query: Array,
    key: Array,
    value: Array,
    gradient: Array,
    log_sums: Array,
    delta: Array,
) -> tuple[Array | None, Array, Array, Array]:
    """The gradients by bias, query, key and value."""
    query, key, value, gradient = map(calls.laid_out, (query, key, value, gradient))
    arrays: list[Named] = [
        (bias, "hqk"),
        (query, calls.queries),
        (key, calls.keys),
        (value, calls.keys),
        (gradient, calls.queries),
        (log_sums, "bhq."),
        (delta, "bhq."),
    ]
    call = partial(calls.call, state=state, segments=segments, arrays=arrays)
    (of_query,) = call(
        query_gradient_kernel, "bhq", out=[(_like(query), calls.queries)], products=3
    )
    of_key, of_value = call(
        key_gradient_kernel,
        "bhk",
        out=[(_like(key), calls.keys), (_like(value), calls.keys)],
        products=4,
    )
    of_bias = None
    if bias is not None:
        # A TPU goes through the last axis of a grid in order; a GPU's program does it by itself.
        grid = "hqk" if calls.gpu else "hqkb"
        (of_bias,) = call(bias_gradient_kernel, grid, out=[(_like(bias), "hqk")], products=2)
    return of_bias, calls.laid_out(of_query), calls.laid_out(of_key), calls.laid_out(of_value)


def _like(array: Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(array.shape, array.dtype)
