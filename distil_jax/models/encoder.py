"""A transformer encoder: embeddings and a stack of layers."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, DTypeLike, Key

from distil_jax.kernels.attention import KERNEL_RESULTS
from distil_jax.kernels.place import Place
from distil_jax.models.attention import ATTENTION_OUTPUT
from distil_jax.models.block import LayerKind
from distil_jax.models.config import EncoderConfig
from distil_jax.models.dense import DENSE_PRODUCT, Dense, Norm
from distil_jax.models.dropout import Rng, dropout
from distil_jax.models.intermediates import Intermediates, Request, hidden_states
from distil_jax.models.layer import Layer
from distil_jax.models.layer_loop import ApplyLayer, PerLayer, looped, scanned
from distil_jax.models.layer_view import layer_view
from distil_jax.models.parameter import parameter
from distil_jax.models.relative_bias import BUCKETS, relative_bias
from distil_jax.models.segments import positions
from distil_jax.models.types import Batch, Hidden, Params, Relative, Rematerialise

KEPT = {
    # By names: how a platform multiplies is behind a switch that hides it from other policies.
    "attention": jax.checkpoint_policies.save_only_these_names(
        ATTENTION_OUTPUT, DENSE_PRODUCT, KERNEL_RESULTS
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
    def __call__(self, batch: Batch, rng: Rng | None = None) -> Hidden:
        """Embed a batch of rows.

        Positions and token types are added first: a student whose position table holds that sum
        then computes the very same bits.
        """
        config = self.config

        def look_up(name: str, rows: int, indices: Array) -> Array:
            initial = nn.initializers.normal(config.initializer_range)
            table = parameter(self, name, initial, (rows, config.table_size))
            return jnp.take(table, indices, axis=0, mode="clip")

        offset = config.position_offset
        added: Array | float = 0.0
        if config.block.position_table:
            added = look_up("positions", config.positions + offset, positions(batch) + offset)
        if config.token_types:
            token_types = batch.get("token_types", jnp.zeros_like(batch["tokens"]))
            added = added + look_up("token_types", config.token_types, token_types)
        embedded = look_up("tokens", config.vocabulary, batch["tokens"]) + added
        if config.block.embedding_norm:
            biases = config.block.biases
            embedded = Norm(config.norm_epsilon, self.dtype, biases, name="norm")(embedded)
        embedded = dropout(embedded.astype(self.dtype), rng, rate=config.dropout)
        if not config.embedding_size:
            return embedded
        project = Dense(config.hidden_size, config.initializer_range, self.dtype, name="projection")
        return project(embedded)


class Encoder(nn.Module):
    """Embeddings, then the layers: scanned over stacked parameters, or looped over either form.

    `dtype` is what matmuls are computed in; `scan` compiles the layer once (accelerators), the
    loop runs faster (CPU), most of all over layers that `stacking.unstack` took apart.
    `rematerialise` says what the backward pass computes again instead of keeping it: "attention"
    the attention scores and all element-wise functions (LayerNorm, GELU), no matmul with a weight;
    "layer" everything. `kernels` are those of accelerators, where a layer can use one. Training
    mode needs a place of dropout, or the "dropout" key.
    """

    config: EncoderConfig
    scan: bool = False
    dtype: DTypeLike = jnp.float32
    rematerialise: Rematerialise = "none"
    kernels: bool = False

    def setup(self) -> None:
        """Declare the embeddings and the layers, stacked unless they are given otherwise."""
        self.embeddings = Embeddings(self.config, self.dtype)
        given = self.get_variable("params", "layers")
        self.layers = self.param("layers", self._initial_layers) if given is None else given
        if self.config.block.relative_bias:
            initial = nn.initializers.normal(self.config.initializer_range)
            shape = (BUCKETS, self.config.heads)
            self.relative_bias = parameter(self, "relative_bias", initial, shape)
        if self.config.block.relative_span:
            initial = nn.initializers.normal(self.config.initializer_range)
            shape = (2 * self.config.block.relative_span, self.config.hidden_size)
            self.relative_embeddings = parameter(self, "relative_embeddings", initial, shape)
            self.relative_norm = Norm(self.config.norm_epsilon, self.dtype)
        if self.config.block.norm == "pre":
            block, epsilon = self.config.block, self.config.norm_epsilon
            self.final_norm = Norm(epsilon, self.dtype, block.biases)

    def __call__(self, batch: Batch, train: bool = False) -> Hidden:
        """Final hidden states."""
        return self.run(batch, train).last

    def run(
        self,
        batch: Batch,
        train: bool = False,
        request: Request = NOTHING,
        place: Place | None = None,
    ) -> Intermediates:
        """Final hidden states and the requested intermediates; nothing else is kept.

        The last hidden state is behind the last LayerNorm, also where layers normalise first.
        Raises `UserError` for a layer that there is not.
        """
        config = self.config
        request.check(config.layers)
        rng, layer_rngs = self._rngs(place) if train else (None, None)
        hidden = self.embeddings(batch, rng)
        run = scanned if self.scan else looped
        numbers = None if config.block.first_norm else jnp.arange(config.layers)
        apply = self._layer_function(batch)
        kinds = config.block.kinds(config.layers)
        values = run(apply, hidden, self.layers, (layer_rngs, numbers), request, kinds)
        if config.block.norm == "pre":
            values = dataclasses.replace(values, last=self.final_norm(values.last))
        if 0 in request.hidden_states:
            values.hidden_states[0] = hidden
        if config.layers in request.hidden_states:
            values.hidden_states[config.layers] = values.last
        return values

    def _rngs(self, place: Place | None) -> tuple[Rng, Any]:
        """What the embeddings draw their dropout from, and the layers, along a leading axis."""
        if place is not None:
            return place.at(0), place.at(1).layers(self.config.layers)
        rng, layer_rng = jax.random.split(self.make_rng("dropout"))
        return rng, jax.random.split(layer_rng, self.config.layers)

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
        one_token = jnp.zeros((1, 1), jnp.int32)
        view = layer_view(self.config, {"segments": one_token}, self.config.block.kinds(1)[0])
        layer = Layer(self.config, parent=None)
        rngs = jax.random.split(rng, self.config.layers)

        def initial(rng: Key[Array, ""]) -> Params:
            return layer.init(rng, hidden, view, None, 0, mutable="params")["params"]

        return jax.vmap(initial)(rngs)

    def _relative(self, segments: Array) -> Relative | None:
        """What all layers take of relative positions, for rows as long as these."""
        if self.config.block.relative_span:
            return self.relative_norm(self.relative_embeddings)
        if self.config.block.relative_bias:
            return relative_bias(self.relative_bias, segments.shape[1])
        return None

    def _layer_function(self, batch: Batch) -> ApplyLayer:
        config = self.config
        relative = self._relative(batch["segments"])
        views = {
            kind: layer_view(config, batch, kind) for kind in {*config.block.kinds(config.layers)}
        }
        layer = Layer(config, self.dtype, self.kernels, parent=None)

        def apply(
            hidden: Array,
            params: Params,
            own: PerLayer,
            collections: tuple[str, ...],
            kind: LayerKind,
        ) -> tuple[Array, dict[str, Array]]:
            rng, number = own
            whole = "attention_scores" in collections
            view = layer_view(config, batch, kind, whole=True) if whole else views[kind]
            hidden, values = layer.apply(
                {"params": params}, hidden, view, rng, number, relative, mutable=collections
            )
            return hidden, {name: jax.tree.leaves(values[name])[0] for name in collections}

        if self.rematerialise == "none":
            return apply
        # A compiled loop keeps the recomputed apart by itself.
        return jax.checkpoint(
            apply,
            policy=KEPT[self.rematerialise],
            prevent_cse=not self.scan,
            static_argnums=(3, 4),
        )
