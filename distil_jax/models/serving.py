"""An encoder for inference: each layer's weights an array of their own.

Slicing one layer after another out of stacked weights copies all of them in every call; at batch 1
on a CPU, where a call is bound by reading the weights once, that made a call several times slower.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import DTypeLike

from distil_jax.models.config import EncoderConfig
from distil_jax.models.encoder import Embeddings
from distil_jax.models.layer import Layer
from distil_jax.models.segments import attention_bias
from distil_jax.models.types import Batch, Hidden, Params


def unstack(params: Params) -> Params:
    """The encoder's parameters with a tuple of layers in place of stacked ones."""
    encoder = params["encoder"]
    count = len(jax.tree.leaves(encoder["layers"])[0])
    layers = tuple(
        jax.tree.map(lambda leaf, i=index: jnp.array(leaf[i]), encoder["layers"])
        for index in range(count)
    )
    embeddings: Any = jax.tree.map(jnp.asarray, encoder["embeddings"])
    return {"embeddings": embeddings, "layers": layers}


def encode(
    config: EncoderConfig, unstacked: Params, batch: Batch, *, dtype: DTypeLike = jnp.float32
) -> Hidden:
    """Final hidden states, equal to `Encoder`'s, from the parameters that `unstack` made."""
    embeddings = Embeddings(config, dtype, parent=None)
    hidden = embeddings.apply({"params": unstacked["embeddings"]}, batch)
    bias = attention_bias(batch["segments"])
    layer = Layer(config, dtype, parent=None)
    for params in unstacked["layers"]:
        hidden = layer.apply({"params": params}, hidden, bias, None)
    return hidden
