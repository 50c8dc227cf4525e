"""A narrower encoder from a wide one: parts are chosen, and least squares makes up for the rest.

Dimensions of the hidden state, whole heads and inner neurons are kept or dropped (a rotation would
not pass through the LayerNorms). Layer by layer, on real text, each linear map of the narrow
encoder is then fitted to give, from the narrow encoder's own states, what the wide one's map gives;
so every map sees, and makes up for, the errors of those before it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from distil_jax.models.attention import attend
from distil_jax.models.config import EncoderConfig
from distil_jax.models.encoder import Embeddings
from distil_jax.models.regression import activate, dense, fit_dense, fit_norm, norm
from distil_jax.models.segments import attention_bias
from distil_jax.models.selection import choose_blocks, choose_columns
from distil_jax.models.types import Batch, Params

Layer = Any


@dataclass(frozen=True)
class _States:
    """What one layer computes of all tokens: [tokens, hidden_size or mlp_size]."""

    before: np.ndarray
    projected: dict[str, np.ndarray]
    mixed: np.ndarray
    summed: np.ndarray
    between: np.ndarray
    inner: np.ndarray
    summed_again: np.ndarray
    after: np.ndarray


def prune_width(
    config: EncoderConfig,
    params: Params,
    batch: Batch,
    *,
    hidden_size: int,
    heads: int,
    mlp_size: int,
) -> tuple[EncoderConfig, Params]:
    """An encoder of `hidden_size` whose heads are as wide as before, fitted on `batch`.

    Args:
      params: the wide encoder's.
      batch: tokens and segments [rows, length]: some tens of thousands of tokens of real text,
        masked as in training if masked language modelling comes next.
      hidden_size, heads, mlp_size: of the result; `hidden_size` is `heads` times the head size.

    Returns:
      The narrow encoder's configuration and parameters.
    """
    assert hidden_size == heads * config.head_size, (hidden_size, heads, config.head_size)
    params = jax.tree.map(np.asarray, jax.device_get(params))
    dimensions = _dimensions(config, params, batch, hidden_size)
    small = replace(config, hidden_size=hidden_size, heads=heads, mlp_size=mlp_size)
    embeddings, hidden = _narrow_embeddings(config, params["embeddings"], batch, dimensions)
    layers = []
    for number, wide in enumerate(_run(config, params, batch)):
        made = _narrow_layer(small, _layer(params, number), wide, hidden, batch, dimensions)
        hidden = _states(small, made, hidden, batch).after
        layers.append(made)
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *layers)
    return small, {"embeddings": embeddings, "layers": stacked}


def _dimensions(
    config: EncoderConfig, params: Params, batch: Batch, hidden_size: int
) -> np.ndarray:
    """The hidden dimensions from which what the layers read, and the end, is restored best."""
    states, maps = [], []
    for number, wide in enumerate(_run(config, params, batch)):
        layer = _layer(params, number)
        projections = [layer["attention"][name]["kernel"] for name in ("query", "key", "value")]
        states += [wide.before, wide.between]
        maps += [np.concatenate(projections, axis=1), layer["mlp_in"]["kernel"]]
    return choose_columns([*states, wide.after], [*maps, np.eye(config.hidden_size)], hidden_size)


def _narrow_embeddings(
    config: EncoderConfig, wide: Any, batch: Batch, dimensions: np.ndarray
) -> tuple[Any, np.ndarray]:
    """The tables' columns, the LayerNorm fitted, and the hidden states they give."""
    tables = {name: table[:, dimensions] for name, table in wide.items() if name != "norm"}
    plain = np.ones(len(dimensions), np.float32)
    small = replace(config, hidden_size=len(dimensions), heads=1)
    first = {**tables, "norm": {"scale": plain, "bias": 0 * plain}}
    normal = _embed(small, first, batch)
    target = _embed(config, wide, batch)[:, dimensions]
    fitted = fit_norm(normal, target, config.norm_epsilon)
    return {**tables, "norm": fitted}, norm(normal, fitted, config.norm_epsilon)


def _narrow_layer(
    config: EncoderConfig,
    layer: Layer,
    wide: _States,
    hidden: np.ndarray,
    batch: Batch,
    dimensions: np.ndarray,
) -> Layer:
    """The maps of one layer, each fitted from what the narrow encoder has at that place."""
    columns = _head_columns(config, layer, wide, dimensions)
    attention = {
        name: fit_dense(hidden, values[:, columns]) for name, values in wide.projected.items()
    }
    mixed = _attend(config, attention, hidden, batch)
    attention["output"] = fit_dense(mixed, wide.summed[:, dimensions] - hidden)
    summed = hidden + dense(mixed, attention["output"])
    epsilon = config.norm_epsilon
    attention_norm = fit_norm(summed, wide.between[:, dimensions], epsilon)
    between = norm(summed, attention_norm, epsilon)

    kernel = layer["mlp_out"]["kernel"][:, dimensions]
    neurons = choose_columns([activate(config.activation, wide.inner)], [kernel], config.mlp_size)
    inner = fit_dense(between, wide.inner[:, neurons])
    fed = activate(config.activation, dense(between, inner))
    outer = fit_dense(fed, wide.summed_again[:, dimensions] - between)
    summed = between + dense(fed, outer)
    return {
        "attention": attention,
        "attention_norm": attention_norm,
        "mlp_in": inner,
        "mlp_out": outer,
        "mlp_norm": fit_norm(summed, wide.after[:, dimensions], epsilon),
    }


def _head_columns(
    config: EncoderConfig, layer: Layer, wide: _States, dimensions: np.ndarray
) -> np.ndarray:
    """The columns of the heads that are kept."""
    blocks = wide.mixed.shape[1] // config.head_size
    kernel = layer["attention"]["output"]["kernel"][:, dimensions]
    kept = choose_blocks(wide.mixed, kernel, blocks=blocks, count=config.heads)
    return np.arange(wide.mixed.shape[1]).reshape(blocks, -1)[kept].ravel()


def _run(config: EncoderConfig, params: Params, batch: Batch) -> Iterator[_States]:
    """The states of each layer in turn; all of them would fill the memory."""
    hidden = _embed(config, params["embeddings"], batch)
    for number in range(config.layers):
        states = _states(config, _layer(params, number), hidden, batch)
        yield states
        hidden = states.after


def _states(config: EncoderConfig, layer: Layer, hidden: np.ndarray, batch: Batch) -> _States:
    attention, epsilon = layer["attention"], config.norm_epsilon
    mixed = _attend(config, attention, hidden, batch)
    summed = hidden + dense(mixed, attention["output"])
    between = norm(summed, layer["attention_norm"], epsilon)
    inner = dense(between, layer["mlp_in"])
    fed = activate(config.activation, inner)
    summed_again = between + dense(fed, layer["mlp_out"])
    projected = {name: dense(hidden, attention[name]) for name in ("query", "key", "value")}
    after = norm(summed_again, layer["mlp_norm"], epsilon)
    return _States(hidden, projected, mixed, summed, between, inner, summed_again, after)


def _attend(
    config: EncoderConfig, attention: Layer, hidden: np.ndarray, batch: Batch
) -> np.ndarray:
    """What the heads hand to the output projection."""
    shape = (*batch["tokens"].shape, config.heads, config.head_size)
    query, key, value = (
        jnp.asarray(dense(hidden, attention[name]).reshape(shape))
        for name in ("query", "key", "value")
    )
    bias = attention_bias(batch["segments"])
    mixed, _ = attend(query, key, value, bias, None, dropout_rate=0.0)
    return np.asarray(mixed).reshape(len(hidden), -1)


def _embed(config: EncoderConfig, embeddings: Any, batch: Batch) -> np.ndarray:
    embedded = Embeddings(config).apply({"params": embeddings}, batch)
    return np.asarray(embedded).reshape(-1, config.hidden_size)


def _layer(params: Params, number: int) -> Layer:
    return jax.tree.map(lambda leaf: leaf[number], params["layers"])
