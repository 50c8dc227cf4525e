"""A first masked-LM head in closed form, for an encoder that has none.

The transform is a regression from hidden states to the embeddings of the masked tokens. Its bias
holds it where GELU is nearly linear, and LayerNorm takes that bias out again; the decoder's bias is
the logarithm of the token frequencies. Training starts from there and bends it as it likes.
"""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from distil_jax.models.activation import activation
from distil_jax.models.least_squares import fit_dense, normalise

LINEAR = 4.0
"""The transform's bias in standard deviations of its output."""
SCALES = 2.0 ** np.arange(-8, 9)
"""Candidates for the LayerNorm's scale."""
COMPARED = 2048
"""At most as many tokens, a quarter of all, are left out of the fit, and compare the candidates."""


def fit_mlm_head(
    hidden: Float[np.ndarray, "tokens hidden_size"],
    labels: Int[np.ndarray, " tokens"],
    table: Float[np.ndarray, "vocabulary hidden_size"],
    counts: Int[np.ndarray, " vocabulary"],
    *,
    function: str,
    epsilon: float,
) -> Mapping[str, Any]:
    """The parameters of a tied `MaskedLMHead`.

    Args:
      hidden: final hidden states of masked tokens.
      labels: what was masked.
      table: the token embeddings.
      counts: how often each token stands in the text; unseen ones count as seen once.
      function: the head's activation.
    """
    shares = np.maximum(counts, 1) / np.maximum(counts, 1).sum()
    left_out = min(COMPARED, len(hidden) // 4)
    fitted = fit_dense(hidden[left_out:], (table[labels] - shares @ table)[left_out:])
    spread = _dense(hidden, fitted).std()
    transform = {
        "kernel": fitted["kernel"] / spread,
        "bias": fitted["bias"] / spread + LINEAR,
    }
    bias = np.log(shares)
    features = np.asarray(activation(function)(jnp.asarray(_dense(hidden[:left_out], transform))))
    logits = normalise(features, epsilon) @ table.T
    entropies = [_entropy(scale * logits + bias, labels[:left_out]) for scale in SCALES]
    scale = np.full(len(table[0]), SCALES[int(np.argmin(entropies))])
    return {"dense": transform, "norm": {"scale": scale, "bias": 0 * scale}, "bias": bias}


def _dense(inputs: np.ndarray, params: Mapping[str, np.ndarray]) -> np.ndarray:
    return inputs @ params["kernel"] + params["bias"]


def _entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    logits = logits - logits.max(axis=-1, keepdims=True)
    right = np.take_along_axis(logits, labels[:, None], axis=1)[:, 0]
    return float(np.mean(np.log(np.exp(logits).sum(axis=-1)) - right))
