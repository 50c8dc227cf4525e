"""The encoder of BERT, DistilBERT, RoBERTa and XLM-R: embeddings and a stack of layers."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, DTypeLike, Key

from distil_jax.models.attention import ATTENTION_OUTPUT
from distil_jax.models.config import EncoderConfig
from distil_jax.models.dense import Norm
from distil_jax.models.dropout import dropout
from distil_jax.models.intermediates import Intermediates, Request, hidden_states
from distil_jax.models.layer import Layer
from distil_jax.models.layer_loop import ApplyLayer, looped, scanned
from distil_jax.models.segments import attention_bias, positions
from distil_jax.models.types import Batch, Hidden, Params, Rematerialise

KEPT = {
    "attention": jax.checkpoint_policies.save_from_both_policies(
        jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
        jax.checkpoint_policies.save_only_these_names(ATTENTION_OUTPUT),
    ),
    "layer": jax.checkpoint_policies.nothing_saveable,
}
"""What is kept of a layer for the backward pass, by `rematerialise`."""
NOTHING = Request()


class Embeddings(nn.Module):
    """Token, position and (where there is a table) token-type embeddings, summed and normalised."""

    config: EncoderConfig
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, batch: Batch, rng: Key[Array, ""] | None = None) -> Hidden:
        """Embed a batch of rows.

        Positions and token types are added first: a student whose position table holds that sum
        then computes the very same bits.
        """
        config = self.config

        def look_up(name: str, rows: int, indices: Array) -> Array:
            initial = nn.initializers.normal(config.initializer_range)
            table = self.param(name, initial, (rows, config.hidden_size))
            return jnp.take(table, indices, axis=0, mode="clip")

        offset = config.position_offset
        place = look_up("positions", config.positions + offset, positions(batch) + offset)
        if config.token_types:
            token_types = batch.get("token_types", jnp.zeros_like(batch["tokens"]))
            place = place + look_up("token_types", config.token_types, token_types)
        embedded = look_up("tokens", config.vocabulary, batch["tokens"]) + place
        embedded = Norm(config.norm_epsilon, self.dtype, name="norm")(embedded)
        return dropout(embedded, rng, rate=config.dropout)


class Encoder(nn.Module):
    """Embeddings, then the layers: scanned over stacked parameters, or looped over either form.

    `dtype` is what products are computed in; `scan` compiles the layer once (accelerators), the
    loop runs faster (CPU), most of all over layers that `stacking.unstack` took apart.
    `rematerialise` says what the backward pass computes again instead of keeping it: "attention"
    the attention scores and all element-wise functions (LayerNorm, GELU), no product with a weight;
    "layer" everything. Training mode needs the "dropout" key.
    """

    config: EncoderConfig
    scan: bool = False
    dtype: DTypeLike = jnp.float32
    rematerialise: Rematerialise = "none"

    def setup(self) -> None:
        """Declare the embeddings and the layers, stacked unless they are given otherwise."""
        self.embeddings = Embeddings(self.config, self.dtype)
        given = self.get_variable("params", "layers")
        self.layers = self.param("layers", self._initial_layers) if given is None else given

    def __call__(self, batch: Batch, train: bool = False) -> Hidden:
        """Final hidden states."""
        return self.run(batch, train).last

    def run(self, batch: Batch, train: bool = False, request: Request = NOTHING) -> Intermediates:
        """Final hidden states and the requested intermediates; nothing else is kept.

        Raises `UserError` for a layer that there is not.
        """
        config = self.config
        request.check(config.layers)
        rng = self.make_rng("dropout") if train else None
        layer_rngs = None
        if rng is not None:
            rng, layer_rng = jax.random.split(rng)
            layer_rngs = jax.random.split(layer_rng, config.layers)
        hidden = self.embeddings(batch, rng)
        run = scanned if self.scan else looped
        values = run(self._layer_function(batch), hidden, self.layers, layer_rngs, request)
        if 0 in request.hidden_states:
            values.hidden_states[0] = hidden
        if config.layers in request.hidden_states:
            values.hidden_states[config.layers] = values.last
        return values

    def embed(self, batch: Batch) -> Hidden:
        """Hidden states before the first layer."""
        return self.embeddings(batch)

    def hidden_states(self, batch: Batch, train: bool = False) -> tuple[Array, ...]:
        """Hidden states after the embeddings and after each layer: layers + 1 arrays."""
        numbers = range(self.config.layers + 1)
        states = self.run(batch, train, hidden_states(numbers)).hidden_states
        return tuple(states[number] for number in numbers)

    def _initial_layers(self, rng: Key[Array, ""]) -> Params:
        hidden = jnp.zeros((1, 1, self.config.hidden_size))
        bias = jnp.zeros((1, 1, 1, 1))
        layer = Layer(self.config, parent=None)
        rngs = jax.random.split(rng, self.config.layers)
        return jax.vmap(lambda one: layer.init(one, hidden, bias, mutable="params")["params"])(rngs)

    def _layer_function(self, batch: Batch) -> ApplyLayer:
        bias = attention_bias(batch["segments"])
        layer = Layer(self.config, self.dtype, parent=None)

        def apply(
            hidden: Array, params: Params, rng: Array | None, collections: tuple[str, ...]
        ) -> tuple[Array, dict[str, Array]]:
            hidden, values = layer.apply({"params": params}, hidden, bias, rng, mutable=collections)
            return hidden, {name: jax.tree.leaves(values[name])[0] for name in collections}

        if self.rematerialise == "none":
            return apply
        # A compiled loop keeps the recomputed apart by itself.
        return jax.checkpoint(
            apply,
            policy=KEPT[self.rematerialise],
            prevent_cse=not self.scan,
            static_argnums=(3,),
        )
