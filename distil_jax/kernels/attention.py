"""Attention that writes no [length, length] array of a row, for GPUs (Triton) and TPUs (Mosaic).

Blocks of scores are computed where they are used, forward and again backward (Dao 2023,
FlashAttention-2), with dropout of the weights inside: its bits are those of `place`, so that the
plain code of `models.attention` drops the same weights.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jax.lax import DotAlgorithmPreset, Precision
from jaxtyping import Array, Float, Shaped

from distil_jax.kernels.attention_calls import Calls, run_backward, run_forward
from distil_jax.kernels.attention_kernels import BlockRules
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
    results = _on_platform(run_forward, rules, interpret, state, segments, bias, *heads)
    output, log_sums = (checkpoint_name(one, KERNEL_RESULTS) for one in results)
    return output, (state, segments, bias, *heads, output, log_sums)


def _backward(
    rules: BlockRules, interpret: str, kept: tuple, gradient: Array
) -> tuple[None, None, Array | None, Array, Array, Array]:
    *before, output, log_sums = kept
    product = output.astype(jnp.float32) * gradient.astype(jnp.float32)
    delta = jnp.sum(product, axis=-1).swapaxes(1, 2)[..., None]
    found = _on_platform(run_backward, rules, interpret, *before, gradient, log_sums, delta)
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
        return partial(run, Calls(sized, gpu, bool(interpret)))

    if interpret:
        return form(interpret == "gpu")(*arrays)
    return jax.lax.platform_dependent(*arrays, cuda=form(True), tpu=form(False))
