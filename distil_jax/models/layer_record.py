"""What goes into and comes out of every dense map and LayerNorm of one layer, as NumPy arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Float

from distil_jax.models.config import EncoderConfig
from distil_jax.models.dense import Dense, Norm
from distil_jax.models.layer import Layer
from distil_jax.models.layer_view import layer_view
from distil_jax.models.types import Batch

Rows = Float[np.ndarray, "tokens _"]


@dataclass(frozen=True)
class LayerRecord:
    """One layer's run on all tokens.

    Attributes:
      before, after: the hidden states around it.
      inputs, outputs: of each map, by its path in the layer's parameters ("attention/query").
    """

    before: Rows
    after: Rows
    inputs: Mapping[str, Rows]
    outputs: Mapping[str, Rows]

    def attention_sum(self, config: EncoderConfig) -> Rows:
        """The hidden state with attention's output added."""
        return self.inputs["attention_norm" if config.block.norm == "post" else "mlp_norm"]

    def mlp_sum(self, config: EncoderConfig) -> Rows:
        """The hidden state with the feed-forward block's output added."""
        return self.inputs["mlp_norm"] if config.block.norm == "post" else self.after

    def mlp_residual(self, config: EncoderConfig) -> Rows:
        """What the feed-forward block's output is added to."""
        return (
            self.outputs["attention_norm"]
            if config.block.norm == "post"
            else (self.inputs["mlp_norm"])
        )


def record_layer(
    config: EncoderConfig, params: Any, hidden: Rows, batch: Batch, number: int
) -> LayerRecord:
    """Run layer `number` (from 0) with these parameters on `hidden`, the tokens of `batch`."""
    shape = (*batch["tokens"].shape, config.hidden_size)
    view = layer_view(config, batch, config.block.kinds(config.layers)[number])
    inputs: dict[str, Rows] = {}
    outputs: dict[str, Rows] = {}

    def keep(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
        result = call(*args, **kwargs)
        if isinstance(context.module, Dense | Norm):
            path = "/".join(context.module.path)
            inputs[path], outputs[path] = _rows(args[0]), _rows(result)
        return result

    with nn.intercept_methods(keep):
        after = Layer(config).apply(
            {"params": params}, jnp.asarray(hidden).reshape(shape), view, None, number
        )
    return LayerRecord(_rows(hidden), _rows(after), inputs, outputs)


def _rows(array: Any) -> Rows:
    return np.asarray(array).reshape(-1, array.shape[-1])
