"""The encoder of BERT, DistilBERT, RoBERTa and XLM-R: embeddings and a stack of layers."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, DTypeLike, Key

from distil_jax.models.attention import ATTENTION_OUTPUT
from distil_jax.models.config import EncoderConfig
from distil_jax.models.dense import Norm
from distil_jax.models.dropout import dropout
from distil_jax.models.layer import Layer
from distil_jax.models.segments import attention_bias, positions
from distil_jax.models.stacking import unstack
from distil_jax.models.types import Batch, Hidden, Params, Rematerialise

KEPT = {
    "attention": jax.checkpoint_policies.save_from_both_policies(
        jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
        jax.checkpoint_policies.save_only_these_names(ATTENTION_OUTPUT),
    ),
    "layer": jax.checkpoint_policies.nothing_saveable,
}
"""What is kept of a layer for the backward pass, by `rematerialise`."""


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
            table = self.param(name, initial, (rows, config.width))
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
        return self._run(batch, train, keep_all=False)[-1]

    def embed(self, batch: Batch) -> Hidden:
        """Hidden states before the first layer."""
        return self.embeddings(batch)

    def hidden_states(self, batch: Batch, train: bool = False) -> tuple[Array, ...]:
        """Hidden states after the embeddings and after each layer: layers + 1 arrays."""
        return self._run(batch, train, keep_all=True)

    def _initial_layers(self, rng: Key[Array, ""]) -> Params:
        hidden = jnp.zeros((1, 1, self.config.width))
        bias = jnp.zeros((1, 1, 1, 1))
        layer = Layer(self.config, parent=None)
        rngs = jax.random.split(rng, self.config.layers)
        return jax.vmap(lambda one: layer.init(one, hidden, bias)["params"])(rngs)

    def _run(self, batch: Batch, train: bool, *, keep_all: bool) -> tuple[Array, ...]:
        config = self.config
        rng = self.make_rng("dropout") if train else None
        layer_rngs = None
        if rng is not None:
            rng, layer_rng = jax.random.split(rng)
            layer_rngs = jax.random.split(layer_rng, config.layers)
        hidden = self.embeddings(batch, rng)
        bias = attention_bias(batch["segments"])
        layer = Layer(config, self.dtype, parent=None)

        def apply(hidden: Array, params: Params, rng: Array | None) -> Array:
            return layer.apply({"params": params}, hidden, bias, rng)

        if self.rematerialise != "none":
            # A compiled loop keeps the recomputed apart by itself.
            apply = jax.checkpoint(
                apply, policy=KEPT[self.rematerialise], prevent_cse=not self.scan
            )
        if self.scan:
            return _scanned(apply, hidden, self.layers, layer_rngs, keep_all)
        return _looped(apply, hidden, self.layers, layer_rngs, config.layers)


Apply = Callable[[Array, Params, Array | None], Array]


def _scanned(
    apply: Apply, hidden: Array, layers: Params, rngs: Array | None, keep_all: bool
) -> tuple[Array, ...]:
    def step(carry: Array, xs: tuple[Params, Array | None]) -> tuple[Array, Array | None]:
        after = apply(carry, xs[0], xs[1])
        return after, after if keep_all else None

    last, every = jax.lax.scan(step, hidden, (layers, rngs))
    return (last,) if every is None else (hidden, *every)


def _looped(
    apply: Apply,
    hidden: Array,
    layers: Params | tuple[Params, ...],
    rngs: Array | None,
    count: int,
) -> tuple[Array, ...]:
    states = [hidden]
    each = unstack({"layers": layers})["layers"]
    for index in range(count):
        states.append(apply(states[-1], each[index], None if rngs is None else rngs[index]))
    return tuple(states)
