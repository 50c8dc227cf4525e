"""Attention that writes no [length, length] array of a row, for GPUs (Triton) and TPUs (Mosaic).

Blocks of scores are computed where they are used, forward and again backward (Dao 2023,
FlashAttention-2), with dropout of the weights inside: its bits are those of `place`, so that the
plain code of `models.attention` drops the same weights.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jax.experimental import pallas as pl
from jax.lax import DotAlgorithmPreset, Precision
from jaxtyping import Array, Float, Shaped

from distil_jax.kernels.attention_kernels import (
    BlockRules,
    Given,
    bias_gradient_kernel,
    forward_kernel,
    key_gradient_kernel,
    query_gradient_kernel,
)
from distil_jax.kernels.place import Place

KERNEL_RESULTS = "attention kernel"
"""The name of what the forward kernel leaves to the backward one, for rematerialisation."""
LARGEST_HEAD = 128
PADDING = -(2**31)
"""The segment of tokens that fill a row up to whole blocks, which nobody's own are of."""
TOKENS = 128
"""Rows are filled up to a multiple of so many, or to a power of two where they are shorter."""
SHORTEST = 16
TENSOR_CORES = DotAlgorithmPreset.TF32_TF32_F32_X3
"""Float32 in three matmuls of a GPU's tensor cores; without, a block's is unrolled for minutes."""
GPU_BLOCK, TPU_BLOCK = 64, 256
"""Tokens of a block: what a GPU's registers hold, and what is worth a step of a TPU's loop."""
WIDE = 256
"""Bytes of one token of a head, above which a GPU's blocks are half as large."""

Heads = Float[Array, "batch length heads head_size"]


def attention(
    query: Heads,
    key: Heads,
    value: Heads,
    segments: Shaped[Array, "batch length"],
    place: Place | None,
    *,
    bias: Float[Array, "heads length length"] | None = None,
    dropout_rate: float = 0.0,
    causal: bool = False,
    window: int = 0,
    interpret: str = "",
) -> Heads:
    """softmax(query key^T / sqrt(head_size) + bias) value inside each segment of a row.

    Args:
      segments: a number for each token; those of the same number see each other.
      bias: what all rows add to their scores, query by key; the one [length, length] array.
      place: of the dropout of the attention weights; None: there is none.
      causal: no token sees a later one.
      window: how far a token sees to each side; 0: as far as the row goes.
      interpret: gpu or tpu: that kernel, run as plain operations. Empty: compiled.
    """
    length, head_size = query.shape[1], query.shape[3]
    rules = BlockRules(
        block=TOKENS,
        scale=head_size**-0.5,
        rate=0.0 if place is None else dropout_rate,
        causal=causal,
        window=window,
    )
    if bias is not None:
        bias = bias.astype(jnp.float32)
    more = -length % min(TOKENS, max(SHORTEST, 1 << (length - 1).bit_length()))
    wide = -head_size % 32 if head_size <= 64 else -head_size % 128
    states = jnp.zeros((2, query.shape[0]), jnp.uint32)
    if place is not None:
        states = jnp.stack(place.states())
    state = jax.lax.bitcast_convert_type(states.T, jnp.int32)
    seen = jnp.pad(segments.astype(jnp.int32), ((0, 0), (0, more)), constant_values=PADDING)
    padded = [
        jnp.pad(x, ((0, 0), (0, more), (0, 0), (0, wide))) if more or wide else x
        for x in (query, key, value)
    ]
    if bias is not None and more:
        bias = jnp.pad(bias, ((0, 0), (0, more), (0, more)))
    return _attention(rules, interpret, state, seen, bias, *padded)[:, :length, :, :head_size]


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _attention(
    rules: BlockRules,
    interpret: str,
    state: Array,
    segments: Array,
    bias: Array | None,
    *heads: Array,
) -> Array:
    return _forward(rules, interpret, state, segments, bias, *heads)[0]


def _forward(
    rules: BlockRules,
    interpret: str,
    state: Array,
    segments: Array,
    bias: Array | None,
    *heads: Array,
) -> tuple[Array, tuple]:
    results = _on_platform(_run_forward, rules, interpret, state, segments, bias, *heads)
    output, log_sums = (checkpoint_name(one, KERNEL_RESULTS) for one in results)
    return output, (state, segments, bias, *heads, output, log_sums)


def _backward(
    rules: BlockRules, interpret: str, kept: tuple, gradient: Array
) -> tuple[None, None, Array | None, Array, Array, Array]:
    *before, output, log_sums = kept
    product = output.astype(jnp.float32) * gradient.astype(jnp.float32)
    delta = jnp.sum(product, axis=-1).swapaxes(1, 2)[..., None]
    found = _on_platform(_run_backward, rules, interpret, *before, gradient, log_sums, delta)
    return None, None, *found


_attention.defvjp(_forward, _backward)


def _on_platform(
    run: Callable[..., Any],
    rules: BlockRules,
    interpret: str,
    state: Array,
    segments: Array,
    *others: Any,
) -> Any:
    """`others`: the bias, the heads' query, key and value, and what the backward kernels take."""
    arrays = state, segments, *others
    length, query = segments.shape[1], others[1]
    # A block of wide heads in float32 is more than a GPU's core holds.
    wide = query.shape[-1] * query.dtype.itemsize > WIDE
    gpu_block = GPU_BLOCK // 2 if wide else GPU_BLOCK

    def form(gpu: bool) -> Callable[..., Any]:
        size = gpu_block if gpu else TPU_BLOCK if length % TPU_BLOCK == 0 else TOKENS
        precision = TENSOR_CORES if gpu and not interpret else Precision.HIGHEST
        sized = replace(rules, block=min(size, length), precision=precision)
        return partial(run, _Calls(sized, gpu, bool(interpret)))

    if interpret:
        return form(interpret == "gpu")(*arrays)
    return jax.lax.platform_dependent(*arrays, cuda=form(True), tpu=form(False))


Named = tuple[Any, str]
"""An array, or what is to become one, and the letters of its axes."""


@dataclass(frozen=True)
class _Calls:
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


def _run_forward(
    calls: _Calls, state: Array, segments: Array, bias: Array | None, *heads: Array
) -> tuple:
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


def _run_backward(
    calls: _Calls,
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
