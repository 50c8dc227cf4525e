"""A transformer layer: attention, then a feed-forward block, each with a LayerNorm and a sum."""

from collections.abc import Callable

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, DTypeLike, Int

from distil_jax.models.activation import activation
from distil_jax.models.attention import Attention
from distil_jax.models.config import EncoderConfig
from distil_jax.models.dense import Dense, Norm
from distil_jax.models.dropout import Rng, dropout, sites
from distil_jax.models.layer_view import LayerView
from distil_jax.models.types import Hidden, Relative


class Layer(nn.Module):
    """The layer that `config.block` specifies; with `rng`, dropout as in Hugging Face's training.

    Its maps, in the order of the parameters: attention (query, key, value, output),
    attention_norm, mlp_in, mlp_gate (if gated), mlp_norm, mlp_out.
    """

    config: EncoderConfig
    dtype: DTypeLike = jnp.float32
    kernels: bool = False

    @nn.compact
    def __call__(
        self,
        hidden: Hidden,
        view: LayerView,
        rng: Rng | None = None,
        number: Int[Array, ""] | int | None = None,
        relative: Relative | None = None,
    ) -> Hidden:
        """Hidden states after the layer, in `dtype`.

        `number` (from 0) is needed where the first layer has no LayerNorm before attention.
        `relative` is what the encoder's `relative` makes for a block with relative positions.
        """
        config = self.config
        rngs = sites(rng, 3)
        norm = self._norm("attention_norm")
        attention = Attention(config, self.dtype, self.kernels, name="attention")

        def attention_norm(hidden: Array) -> Array:
            if config.block.first_norm:
                return norm(hidden)
            return jnp.where(number == 0, hidden, norm(hidden))

        def attend(hidden: Array) -> Array:
            return dropout(attention(hidden, view, rngs[0], relative), rngs[1], rate=config.dropout)

        def feed_forward(hidden: Array) -> Array:
            return dropout(self._feed_forward(hidden), rngs[2], rate=config.dropout)

        hidden = self._residual(attend, attention_norm, hidden)
        return self._residual(feed_forward, self._norm("mlp_norm"), hidden)

    def _residual(
        self, branch: Callable[[Array], Array], norm: Callable[[Array], Array], hidden: Hidden
    ) -> Hidden:
        if self.config.block.norm == "post":
            return norm(hidden + branch(hidden))
        return hidden + branch(norm(hidden))

    def _feed_forward(self, hidden: Hidden) -> Hidden:
        config = self.config
        active = activation(config.activation)(self._dense(config.mlp_size, "mlp_in")(hidden))
        if config.block.gated:
            active = active * self._dense(config.mlp_size, "mlp_gate")(hidden)
        return self._dense(config.hidden_size, "mlp_out")(active)

    def _dense(self, features: int, name: str) -> Dense:
        config = self.config
        return Dense(features, config.initializer_range, self.dtype, config.block.biases, name=name)

    def _norm(self, name: str) -> Norm:
        return Norm(self.config.norm_epsilon, self.dtype, self.config.block.biases, name=name)
