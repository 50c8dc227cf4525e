"""A masked-language model's answer to one short text in NumPy, for which JAX is not imported.

Importing JAX and tracing a model take three times as long as reading its folder and running it
once. The maps are those of `encoder.py`, `layer.py` and `masked_lm.py` in inference, as the block
specification orders them; windows, rotary and relative positions are theirs alone (`supports`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from distil_jax.models.config import EncoderConfig

Array = np.ndarray
Hidden = Float[Array, "tokens hidden_size"]
Params = Mapping[str, Any]
ERF = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)


def supports(config: EncoderConfig) -> bool:
    """Whether this file has all that the model's layers are made of."""
    block = config.block
    return not (block.windows or block.thetas or block.relative_bias or block.relative_span)


def masked_logits(
    config: EncoderConfig, params: Params, tokens: Sequence[int], places: Sequence[int]
) -> Float[Array, "places vocabulary"]:
    """Logits [places, vocabulary], float32, at places of a text without padding.

    `params` are those of `MaskedLM` as NumPy's arrays, layers stacked.
    """
    hidden = _embedded(config, params["encoder"]["embeddings"], np.asarray(tokens))
    for number in range(config.layers):
        hidden = _layer(config, _of_layer(params["encoder"]["layers"], number), hidden, number)
    if config.block.norm == "pre":
        hidden = _norm(config, params["encoder"]["final_norm"], hidden)
    hidden, head = hidden[list(places)], params.get("head", {})
    if config.head.transform:
        dense = ACTIVATIONS[config.head_activation](_dense(head["dense"], hidden))
        hidden = _norm(config, head["norm"], dense)
    logits = hidden @ head.get("table", params["encoder"]["embeddings"]["tokens"]).T
    return logits + head["bias"] if "bias" in head else logits


def _embedded(config: EncoderConfig, tables: Params, tokens: Int[Array, " tokens"]) -> Hidden:
    summed = tables["tokens"][tokens]
    if config.block.position_table:
        summed = summed + tables["positions"][config.position_offset :][: len(tokens)]
    if config.token_types:
        summed = summed + tables["token_types"][0]
    if config.block.embedding_norm:
        summed = _norm(config, tables["norm"], summed)
    return _dense(tables["projection"], summed) if config.embedding_size else summed


def _layer(config: EncoderConfig, params: Params, hidden: Hidden, number: int) -> Hidden:
    """A layer (from 0); its first LayerNorm is left out where the block has none there."""
    has_norm = config.block.first_norm or number > 0

    def attention_norm(x: Array) -> Array:
        return _norm(config, params["attention_norm"], x) if has_norm else x

    def mlp_norm(x: Array) -> Array:
        return _norm(config, params["mlp_norm"], x)

    branches: tuple[tuple[Callable[[Array], Array], Callable[[Array], Array]], ...] = (
        (lambda x: _attention(config, params["attention"], x), attention_norm),
        (lambda x: _feed_forward(config, params, x), mlp_norm),
    )
    for branch, norm in branches:
        if config.block.norm == "post":
            hidden = norm(hidden + branch(hidden))
        else:
            hidden = hidden + branch(norm(hidden))
    return hidden


def _attention(config: EncoderConfig, params: Params, hidden: Hidden) -> Hidden:
    def heads(name: str) -> Float[Array, "heads tokens head_size"]:
        whole = _dense(params[name], hidden)
        return whole.reshape(len(hidden), config.heads, config.head_size).swapaxes(0, 1)

    scores = heads("query") @ heads("key").swapaxes(1, 2) * np.float32(config.head_size**-0.5)
    if config.block.causal:
        scores = np.where(np.tri(len(hidden), dtype=bool), scores, -np.inf)
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    mixed = (shares / shares.sum(axis=-1, keepdims=True)) @ heads("value")
    return _dense(params["output"], mixed.swapaxes(0, 1).reshape(hidden.shape))


def _feed_forward(config: EncoderConfig, params: Params, hidden: Hidden) -> Hidden:
    active = ACTIVATIONS[config.activation](_dense(params["mlp_in"], hidden))
    if config.block.gated:
        active = active * _dense(params["mlp_gate"], hidden)
    return _dense(params["mlp_out"], active)


def _dense(params: Params, x: Array) -> Array:
    product = x @ params["kernel"]
    return product + params["bias"] if "bias" in params else product


def _norm(config: EncoderConfig, params: Params, x: Array) -> Array:
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt(variance + np.float32(config.norm_epsilon)) * params["scale"]
    return scaled + params["bias"] if "bias" in params else scaled


def _of_layer(params: Params, number: int) -> dict[str, Any]:
    return {
        name: _of_layer(value, number) if isinstance(value, Mapping) else value[number]
        for name, value in params.items()
    }


def _gelu(x: Array) -> Array:
    """x Phi(x), Phi within 1e-7: Abramowitz and Stegun 1964, formula 7.1.26 of erf."""
    size = np.abs(x) * np.float32(0.5**0.5)
    t = 1 / (1 + np.float32(0.3275911) * size)
    tail = np.exp(-size * size) * t
    polynomial = np.zeros_like(t)
    for coefficient in reversed(ERF):
        polynomial = polynomial * t + np.float32(coefficient)
    above = 1 - polynomial * tail / 2
    return x * np.where(x < 0, 1 - above, above)


def _gelu_of_tanh(x: Array) -> Array:
    """Hendrycks and Gimpel 2016, with their approximation of Phi."""
    inner = np.float32((2 / np.pi) ** 0.5) * (x + np.float32(0.044715) * x * x * x)
    return x * (1 + np.tanh(inner)) / 2


def _silu(x: Array) -> Array:
    return x * (1 + np.tanh(x / 2)) / 2


def _relu(x: Array) -> Array:
    return np.maximum(x, np.float32(0))


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu": _gelu,
    "gelu_python": _gelu,
    "gelu_new": _gelu_of_tanh,
    "gelu_fast": _gelu_of_tanh,
    "gelu_pytorch_tanh": _gelu_of_tanh,
    "relu": _relu,
    "silu": _silu,
    "swish": _silu,
    "tanh": np.tanh,
}
