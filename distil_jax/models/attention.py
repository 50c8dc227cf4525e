"""Scaled dot-product attention inside each segment of a row."""

from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, DTypeLike, Float

from distil_jax.kernels.attention import attention as attention_kernel
from distil_jax.kernels.place import Place
from distil_jax.models.config import EncoderConfig
from distil_jax.models.dense import Dense
from distil_jax.models.disentangled import position_scores
from distil_jax.models.dropout import Rng, dropout, table_dropout
from distil_jax.models.intermediates import offer
from distil_jax.models.layer_view import LayerView
from distil_jax.models.local_attention import attend_locally, is_of_blocks
from distil_jax.models.product import product
from distil_jax.models.rotary import rotate
from distil_jax.models.types import Hidden, Relative

ATTENTION_OUTPUT = "mixed"
"""The name of what plain attention computes, for rematerialisation."""


def attend(
    query: Float[Array, "batch queries heads head_size"],
    key: Float[Array, "batch keys heads head_size"],
    value: Float[Array, "batch keys heads head_size"],
    bias: Float[Array, "batch 1 queries keys"],
    rng: Rng | None,
    *,
    dropout_rate: float,
    relative: Float[Array, "*batch heads queries keys"] | None = None,
) -> tuple[Float[Array, "batch queries heads head_size"], Float[Array, "batch heads queries keys"]]:
    """softmax(query key^T / sqrt(head_size) + bias) value (Vaswani et al. 2017, equation 1).

    The second result is the scores, query key^T / sqrt(head_size), plus `relative` if given.
    Scores and softmax are float32 whatever the inputs are. The softmax is divided by its sum after
    the product with the values: length x head_size divisions instead of length x length.
    """
    scaled = query * query.shape[-1] ** -0.5
    query, key, value = (fusion_barrier(x.swapaxes(1, 2)) for x in (scaled, key, value))
    scores = product("bhqd,bhkd->bhqk", query, key, jnp.float32)
    if relative is not None:
        scores = scores + relative
    biased = scores + bias
    largest = jax.lax.stop_gradient(jnp.max(biased, axis=-1, keepdims=True))
    exponents = fusion_barrier(jnp.exp(biased - largest))
    total = jnp.sum(exponents, axis=-1, keepdims=True)
    kept = dropout(exponents.astype(value.dtype), rng, rate=dropout_rate)
    mixed = product("bhqk,bhkd->bhqd", kept, value, jnp.float32)
    return (fusion_barrier(mixed) / total).astype(value.dtype).swapaxes(1, 2), scores


def fusion_barrier(x: Array) -> Array:
    """The same array; on a CPU, what makes it and what takes it are not fused into one kernel.

    XLA makes one kernel of a product, a softmax and a product there, and that kernel is five times
    slower than its parts (jax 0.10, 8 rows of 128 tokens, 12 heads).
    """
    return jax.lax.platform_dependent(x, cpu=jax.lax.optimization_barrier, default=_same)


def _same(x: Array) -> Array:
    return x


class Attention(nn.Module):
    """Self-attention of one layer: three projections, `attend`, and the output projection.

    With `kernels`, an accelerator's kernel takes the place of `attend` where it can: not where
    positions are disentangled, scores are asked for, or dropout has a key in place of a place.
    """

    config: EncoderConfig
    dtype: DTypeLike = jnp.float32
    kernels: bool = False

    @nn.compact
    def __call__(
        self,
        hidden: Hidden,
        view: LayerView,
        rng: Rng | None,
        relative: Relative | None = None,
    ) -> Hidden:
        """Mix the tokens of each segment; `rng` drops attention probabilities."""
        config = self.config

        def dense(name: str) -> Dense:
            biases = config.block.biases
            size, spread = config.hidden_size, config.initializer_range
            return Dense(size, spread, self.dtype, biases, name=name)

        maps = {name: dense(name) for name in ("query", "key", "value")}

        def project(name: str, inputs: Array) -> Array:
            return maps[name](inputs).reshape(*inputs.shape[:-1], config.heads, config.head_size)

        query, key, value = (project(name, hidden) for name in maps)
        offer(self, "queries", query)
        offer(self, "keys", key)
        offer(self, "values", value)
        if config.block.relative_span and relative is not None:
            table = table_dropout(relative, rng, rate=config.dropout)
            # One row, whatever rounds the rows of what a map multiplies.
            positions = project("query", table[None])[0], project("key", table[None])[0]
            # Of three kinds of scores the sum is divided by the root of 3 head_size.
            scale = (3 * config.head_size) ** -0.5
            relative = position_scores(
                query * scale,
                key * scale,
                *positions,
                reach=config.block.relative_reach,
                positions=config.positions,
            )
            query = query * 3**-0.5
        if view.rotation is not None:
            query, key = rotate(query, view.rotation), rotate(key, view.rotation)
        output = self._mixed(query, key, value, view, rng, relative)
        output = output.reshape(hidden.shape)
        offer(self, "attention_output", output)
        return dense("output")(output)

    def _mixed(
        self,
        query: Array,
        key: Array,
        value: Array,
        view: LayerView,
        rng: Rng | None,
        relative: Array | None,
    ) -> Float[Array, "batch length heads head_size"]:
        """What each head makes of the values; `relative` is added to the scores."""
        config = self.config
        attention = partial(attend, dropout_rate=config.attention_dropout)
        asked = self.is_mutable_collection("attention_scores")
        place = rng if isinstance(rng, Place) else None
        disentangled = config.block.relative_span > 0
        plain = not self.kernels or disentangled or asked or rng is not place
        if not plain and view.segments is not None:
            return attention_kernel(
                query,
                key,
                value,
                view.segments,
                place,
                bias=relative,
                dropout_rate=config.attention_dropout,
                causal=config.block.causal,
                window=view.window,
            )
        if is_of_blocks(view.bias):
            output = attend_locally(attention, query, key, value, view.bias, rng)
        else:
            output, scores = attention(query, key, value, view.bias, rng, relative=relative)
            offer(self, "attention_scores", scores)
        return checkpoint_name(output, ATTENTION_OUTPUT)
