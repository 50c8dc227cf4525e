"""Attention that writes no [length, length] array, for GPUs (Triton) and TPUs (Mosaic).

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
from jaxtyping import Array, Float, Int

from distil_jax.kernels.attention_kernels import (
    BlockRules,
    forward_kernel,
    key_gradient_kernel,
    query_gradient_kernel,
)
from distil_jax.kernels.place import Place

KERNEL_RESULTS = "attention kernel"
"""The name of what the forward kernel leaves to the backward one, for rematerialisation."""
LARGEST_HEAD = 128
PADDING = -1
"""The segment of tokens that fill a row up to whole blocks."""
TOKENS = 128
"""Rows are filled up to a multiple of so many, or to a power of two where they are shorter."""
SHORTEST = 16
GPU_BLOCK, TPU_BLOCK = 64, 256
"""Tokens of a block: what a GPU's registers hold, and what is worth a step of a TPU's loop."""

Heads = Float[Array, "batch length heads head_size"]


def attention(
    query: Heads,
    key: Heads,
    value: Heads,
    segments: Int[Array, "batch length"],
    place: Place | None,
    *,
    dropout_rate: float = 0.0,
    causal: bool = False,
    window: int = 0,
    interpret: str = "",
) -> Heads:
    """softmax(query key^T / sqrt(head_size)) value inside each segment of a row.

    Args:
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
    more = -length % min(TOKENS, max(SHORTEST, 1 << (length - 1).bit_length()))
    wide = -head_size % 32 if head_size <= 64 else -head_size % 128
    states = jnp.zeros((2, query.shape[0]), jnp.uint32)
    if place is not None:
        states = jnp.stack(place.states())
    state = jax.lax.bitcast_convert_type(states.T, jnp.int32)
    seen = jnp.pad(segments, ((0, 0), (0, more)), constant_values=PADDING)
    padded = [
        jnp.pad(x, ((0, 0), (0, more), (0, 0), (0, wide))) if more or wide else x
        for x in (query, key, value)
    ]
    return _attention(rules, interpret, state, seen, *padded)[:, :length, :, :head_size]


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _attention(
    rules: BlockRules, interpret: str, state: Array, segments: Array, *inputs: Array
) -> Array:
    return _forward(rules, interpret, state, segments, *inputs)[0]


def _forward(
    rules: BlockRules, interpret: str, state: Array, segments: Array, *inputs: Array
) -> tuple[Array, tuple]:
    results = _on_platform(_run_forward, rules, interpret, state, segments, *inputs)
    output, log_sums = (checkpoint_name(one, KERNEL_RESULTS) for one in results)
    return output, (state, segments, *inputs, output, log_sums)


def _backward(
    rules: BlockRules, interpret: str, kept: tuple, gradient: Array
) -> tuple[None, None, Array, Array, Array]:
    *before, output, log_sums = kept
    product = output.astype(jnp.float32) * gradient.astype(jnp.float32)
    delta = jnp.sum(product, axis=-1).swapaxes(1, 2)[..., None]
    found = _on_platform(_run_backward, rules, interpret, *before, gradient, log_sums, delta)
    return None, None, *found


_attention.defvjp(_forward, _backward)


def _on_platform(run: Callable[..., Any], rules: BlockRules, interpret: str, *arrays: Array) -> Any:
    def form(gpu: bool) -> Callable[..., Any]:
        length = arrays[1].shape[1]
        size = GPU_BLOCK if gpu else TPU_BLOCK if length % TPU_BLOCK == 0 else TOKENS
        sized = replace(rules, block=min(size, length))
        return partial(run, _Calls(sized, arrays[2].shape[-1], gpu, bool(interpret)))

    if interpret:
        return form(interpret == "gpu")(*arrays)
    return jax.lax.platform_dependent(*arrays, cuda=form(True), tpu=form(False))


@dataclass(frozen=True)
class _Calls:
    """How kernels of one platform are called, and how their arrays lie.

    A GPU's take [batch, length, heads, head_size]; a TPU's, whose blocks are of the two last axes,
    [batch, heads, length, head_size].
    """

    rules: BlockRules
    head_size: int
    gpu: bool
    interpret: bool

    def laid_out(self, x: Array) -> Array:
        return x if self.gpu else x.swapaxes(1, 2)

    def call(
        self,
        kernel: Callable[..., None],
        shape: tuple[int, int, int],
        in_specs: list,
        out: list[tuple[Any, Any]],
        arrays: list,
        *,
        products: int,
    ) -> Any:
        """Over all blocks of all heads [batch, heads, blocks] of `shape`.

        `products`: how many there are for two blocks of tokens that see each other.
        """
        options: dict[str, Any] = {}
        if self.gpu and not self.interpret:
            from jax.experimental.pallas import triton

            options["compiler_params"] = triton.CompilerParams(num_warps=4, num_stages=2)
        return pl.pallas_call(
            partial(kernel, rules=self.rules, gpu=self.gpu),
            grid=shape[::-1] if self.gpu else shape,
            in_specs=in_specs,
            out_specs=[spec for spec, _ in out],
            out_shape=[array for _, array in out],
            interpret=self.interpret,
            cost_estimate=self._cost(shape, products, [*arrays, *(array for _, array in out)]),
            **options,
        )(*arrays)

    def _cost(self, shape: tuple[int, int, int], products: int, arrays: list) -> pl.CostEstimate:
        """Of all pairs of blocks: how often a kernel's loop runs cannot be read from it."""
        batch, heads, blocks = shape
        scores = batch * heads * self.rules.pairs(blocks) * self.rules.block**2
        return pl.CostEstimate(
            flops=2 * products * scores * self.head_size,
            transcendentals=scores,
            bytes_accessed=sum(array.size * array.dtype.itemsize for array in arrays),
        )

    def spec(self, block: tuple, index: Callable[[Any, Any, Any], tuple]) -> pl.BlockSpec:
        """A block at `index(row, head, block)`."""
        if self.gpu:
            return pl.BlockSpec(block, lambda i, h, b: index(b, h, i))
        return pl.BlockSpec(block, index)

    def tokens(self, size: int, head_size: int, *, whole: bool) -> pl.BlockSpec:
        """Tokens of one head: those of the block, or all."""
        if self.gpu:
            return self.spec(
                (None, size, None, head_size), lambda b, h, i: (b, 0 if whole else i, h, 0)
            )
        return self.spec(
            (None, None, size, head_size), lambda b, h, i: (b, h, 0 if whole else i, 0)
        )

    def column(self, size: int, *, whole: bool) -> pl.BlockSpec:
        """A number for each token of one head, [size, 1]."""
        return self.spec((None, None, size, 1), lambda b, h, i: (b, h, 0 if whole else i, 0))

    def segments(self, segments: Array, size: int, *, whole: bool) -> tuple[list, list]:
        """Specs and arrays of the segments as a column of queries, and as a row of keys.

        Of both, one is that of the block and the other one is whole.
        """
        length = segments.shape[1]
        across, along = (length, size) if whole else (size, length)
        column = self.spec((None, across, 1), lambda b, h, i: (b, 0 if whole else i, 0))
        if self.gpu:
            row = self.spec((None, along), lambda b, h, i: (b, i if whole else 0))
            return [column, row], [segments[:, :, None], segments]
        row = self.spec((None, 1, along), lambda b, h, i: (b, 0, i if whole else 0))
        return [column, row], [segments[:, :, None], segments[:, None, :]]

    def state(self) -> pl.BlockSpec:
        if self.gpu:
            return self.spec((None, 2), lambda b, h, i: (b, 0))
        from jax.experimental.pallas import tpu

        return pl.BlockSpec(memory_space=tpu.SMEM)


def _run_forward(calls: _Calls, state: Array, segments: Array, *inputs: Array) -> tuple:
    batch, length, heads, head_size = inputs[0].shape
    block = calls.rules.block
    arrays = [calls.laid_out(x) for x in inputs]
    part = calls.tokens(block, head_size, whole=False)
    whole = calls.tokens(length, head_size, whole=True)
    seen_specs, seen = calls.segments(segments, block, whole=False)
    output, log_sums = calls.call(
        forward_kernel,
        (batch, heads, length // block),
        [calls.state(), *seen_specs, part, whole, whole],
        [
            (part, jax.ShapeDtypeStruct(arrays[0].shape, arrays[0].dtype)),
            (
                calls.column(block, whole=False),
                jax.ShapeDtypeStruct((batch, heads, length, 1), jnp.float32),
            ),
        ],
        [state, *seen, *arrays],
        products=2,
    )
    return calls.laid_out(output), log_sums


def _run_backward(
    calls: _Calls,
    state: Array,
    segments: Array,
    query: Array,
    key: Array,
    value: Array,
    gradient: Array,
    log_sums: Array,
    delta: Array,
) -> tuple[Array, Array, Array]:
    batch, length, heads, head_size = query.shape
    block = calls.rules.block
    arrays = [calls.laid_out(x) for x in (query, key, value, gradient)]
    part = calls.tokens(block, head_size, whole=False)
    whole = calls.tokens(length, head_size, whole=True)
    like = jax.ShapeDtypeStruct(arrays[0].shape, arrays[0].dtype)
    shape = (batch, heads, length // block)
    seen_specs, seen = calls.segments(segments, block, whole=False)
    column = calls.column(block, whole=False)
    (of_query,) = calls.call(
        query_gradient_kernel,
        shape,
        [calls.state(), *seen_specs, part, whole, whole, part, column, column],
        [(part, like)],
        [state, *seen, *arrays, log_sums, delta],
        products=3,
    )
    seen_specs, seen = calls.segments(segments, block, whole=True)
    column = calls.column(length, whole=True)
    of_key, of_value = calls.call(
        key_gradient_kernel,
        shape,
        [calls.state(), *seen_specs, whole, part, part, whole, column, column],
        [(part, like), (part, like)],
        [state, *seen, *arrays, log_sums, delta],
        products=4,
    )
    return calls.laid_out(of_query), calls.laid_out(of_key), calls.laid_out(of_value)
