"""The masked-language model: an encoder, a transform, and a decoder over the vocabulary."""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, DTypeLike, Float

from distil_jax.kernels.place import Place
from distil_jax.models.config import EncoderConfig
from distil_jax.models.encoder import NOTHING, Encoder
from distil_jax.models.intermediates import Intermediates, Request
from distil_jax.models.parameter import parameter
from distil_jax.models.transform import transform
from distil_jax.models.types import Batch, Hidden, Params, Rematerialise


def output_table(
    params: Params,
) -> tuple[Float[Array, "vocabulary table_size"], Float[Array, " vocabulary"]]:
    """The decoder's table (the token table where the two are tied), and its bias or zeros."""
    head = params.get("head", {})
    table = jnp.asarray(head.get("table", params["encoder"]["embeddings"]["tokens"]))
    bias = jnp.asarray(head["bias"]) if "bias" in head else jnp.zeros(len(table), jnp.float32)
    return table, bias


class MaskedLMHead(nn.Module):
    """What stands before the decoder, whose bias and own table are here too: see `HeadOptions`."""

    config: EncoderConfig
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, hidden: Hidden) -> Float[Array, "batch length table_size"]:
        """Features that the decoder multiplies with its table."""
        config = self.config
        initial = nn.initializers.normal(config.initializer_range)
        if not config.tied:
            parameter(self, "table", initial, (config.vocabulary, config.table_size))
        if not config.head.transform:
            return hidden
        parameter(self, "bias", nn.initializers.zeros, (config.vocabulary,))
        return transform(config, hidden, config.table_size, self.dtype)


class MaskedLM(nn.Module):
    """Scores of every vocabulary entry at every position; attributes as in `Encoder`."""

    config: EncoderConfig
    scan: bool = False
    dtype: DTypeLike = jnp.float32
    rematerialise: Rematerialise = "none"
    kernels: bool = False

    def setup(self) -> None:
        """Declare the encoder and the head."""
        self.encoder = Encoder(self.config, self.scan, self.dtype, self.rematerialise, self.kernels)
        self.head = MaskedLMHead(self.config, self.dtype)

    def __call__(
        self, batch: Batch, train: bool = False
    ) -> Float[Array, "batch length vocabulary"]:
        """Logits, float32."""
        return self.decode(self.features(batch, train)[1])

    def decode(
        self, features: Float[Array, "*tokens table_size"]
    ) -> Float[Array, "*tokens vocabulary"]:
        """Logits of what `transform` made, float32."""
        table, bias = output_table(self.variables["params"])
        table = table.astype(self.dtype)
        logits = jnp.einsum("...w,vw->...v", features, table, preferred_element_type=jnp.float32)
        return logits + bias.astype(jnp.float32)

    def features(
        self, batch: Batch, train: bool = False
    ) -> tuple[Hidden, Float[Array, "batch length table_size"]]:
        """Final hidden states, and what the decoder sees of them."""
        hidden = self.encode(batch, train)
        return hidden, self.transform(hidden)

    def encode(self, batch: Batch, train: bool = False) -> Hidden:
        """Final hidden states."""
        return self.encoder(batch, train)

    def run(
        self,
        batch: Batch,
        train: bool = False,
        request: Request = NOTHING,
        place: Place | None = None,
    ) -> Intermediates:
        """Final hidden states and the requested intermediates of the encoder."""
        return self.encoder.run(batch, train, request, place)

    def transform(
        self, hidden: Float[Array, "*tokens hidden_size"]
    ) -> Float[Array, "*tokens table_size"]:
        """What the decoder sees of hidden states, of all tokens or of a few gathered ones."""
        return self.head(hidden)

    @nn.nowrap
    def output_table(
        self, params: Params
    ) -> tuple[Float[Array, "vocabulary table_size"], Float[Array, " vocabulary"]]:
        """The decoder's table [vocabulary, table_size] and bias [vocabulary]."""
        return output_table(params)
