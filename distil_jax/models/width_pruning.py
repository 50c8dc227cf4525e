"""A narrower encoder from a wide one: parts are chosen, and least squares makes up for the rest.

Dimensions of the hidden state, whole heads and inner neurons are kept or dropped (a rotation would
not pass through the LayerNorms). Layer by layer, on real text, each linear map of the narrow
encoder is then fitted to give, from the narrow encoder's own states, what the wide one's map gives;
so every map sees, and makes up for, the errors of those before it.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from distil_jax.models.config import EncoderConfig
from distil_jax.models.encoder import Embeddings
from distil_jax.models.initialization import initialize
from distil_jax.models.layer_record import LayerRecord, Rows, record_layer
from distil_jax.models.least_squares import fit_dense, fit_norm, normalise
from distil_jax.models.selection import choose_blocks, choose_columns
from distil_jax.models.types import Batch, Params

PROJECTIONS = ("attention/query", "attention/key", "attention/value")


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
    wide_hidden = hidden
    for number, wide in enumerate(_run(config, params, batch)):
        fit = _LayerFit(small, number, wide, hidden, batch, dimensions)
        layers.append(fit.run(_layer(params, number)))
        hidden, wide_hidden = fit.record().after, wide.after
    narrow = {"embeddings": embeddings, "layers": jax.tree.map(lambda *x: np.stack(x), *layers)}
    if "final_norm" in params:
        target = _normalised(config, wide_hidden, params["final_norm"])[:, dimensions]
        narrow["final_norm"] = _without_bias(config, fit_norm(hidden, target, config.norm_epsilon))
    return small, narrow


def _dimensions(
    config: EncoderConfig, params: Params, batch: Batch, hidden_size: int
) -> np.ndarray:
    """The hidden dimensions from which what the layers read, and the end, is restored best."""
    states, maps = [], []
    for number, wide in enumerate(_run(config, params, batch)):
        layer = _layer(params, number)
        kernels = [_map(layer, path)["kernel"] for path in PROJECTIONS]
        inner = [layer[name]["kernel"] for name in ("mlp_in", "mlp_gate") if name in layer]
        states += [wide.inputs["attention/query"], wide.inputs["mlp_in"]]
        maps += [np.concatenate(kernels, axis=1), np.concatenate(inner, axis=1)]
    return choose_columns([*states, wide.after], [*maps, np.eye(config.hidden_size)], hidden_size)


def _narrow_embeddings(
    config: EncoderConfig, wide: Any, batch: Batch, dimensions: np.ndarray
) -> tuple[Any, np.ndarray]:
    """Their last map with the columns of `dimensions`, a LayerNorm fitted; and what they give."""
    small = replace(config, hidden_size=len(dimensions), heads=1)
    if config.embedding_size:
        projection = {name: array[..., dimensions] for name, array in wide["projection"].items()}
        narrow = {**wide, "projection": projection}
        return narrow, _embed(small, narrow, batch)
    narrow = {name: table[:, dimensions] for name, table in wide.items() if name != "norm"}
    if config.block.embedding_norm:
        target = _embed(config, wide, batch)[:, dimensions]
        plain = replace(small, block=replace(config.block, embedding_norm=False))
        summed = _embed(plain, narrow, batch)
        narrow["norm"] = _without_bias(config, fit_norm(summed, target, config.norm_epsilon))
    return narrow, _embed(small, narrow, batch)


class _LayerFit:
    """The maps of one narrow layer, fitted in the order in which the layer computes them.

    Each is fitted from what the narrow layer, run with the maps fitted so far, gives it.
    """

    def __init__(
        self,
        config: EncoderConfig,
        number: int,
        wide: LayerRecord,
        hidden: np.ndarray,
        batch: Batch,
        dimensions: np.ndarray,
    ) -> None:
        self.config, self.number, self.wide = config, number, wide
        self.hidden, self.batch, self.dimensions = hidden, batch, dimensions
        shapes = jax.eval_shape(lambda: initialize(config, jax.random.key(0)))["encoder"]["layers"]
        self.params = jax.tree.map(lambda leaf: np.zeros(leaf.shape[1:], np.float32), shapes)

    def record(self) -> LayerRecord:
        """The narrow layer's run with the maps that are fitted so far."""
        return record_layer(self.config, self.params, self.hidden, self.batch, self.number)

    def run(self, layer: Any) -> Any:
        """All maps, fitted to those of the wide `layer`."""
        blocks = {"attention_norm": self._fit_attention, "mlp_norm": self._fit_feed_forward}
        for norm, fit in blocks.items():
            if self.config.block.norm == "pre":
                self._fit_norm(norm)
            fit(layer)
            if self.config.block.norm == "post":
                self._fit_norm(norm)
        return self.params

    def _fit_attention(self, layer: Any) -> None:
        kernel = layer["attention"]["output"]["kernel"][:, self.dimensions]
        columns = _head_columns(self.config, kernel, self.wide.inputs["attention/output"])
        for path in PROJECTIONS:
            self._fit_dense(path, self.wide.outputs[path][:, columns])
        total = self.wide.attention_sum(self.config)[:, self.dimensions]
        self._fit_dense("attention/output", total - self.hidden)

    def _fit_feed_forward(self, layer: Any) -> None:
        kernel = layer["mlp_out"]["kernel"][:, self.dimensions]
        active = self.wide.inputs["mlp_out"]
        neurons = choose_columns([active], [kernel], self.config.mlp_size)
        for name in ("mlp_in", "mlp_gate"):
            if name in layer:
                self._fit_dense(name, self.wide.outputs[name][:, neurons])
        total = self.wide.mlp_sum(self.config)[:, self.dimensions]
        self._fit_dense("mlp_out", total - self.record().mlp_residual(self.config))

    def _fit_dense(self, path: str, target: np.ndarray) -> None:
        fitted = fit_dense(self.record().inputs[path], target, bias=self.config.block.biases)
        _map(self.params, path).update(fitted)

    def _fit_norm(self, name: str) -> None:
        target = self.wide.outputs[name][:, self.dimensions]
        fitted = fit_norm(self.record().inputs[name], target, self.config.norm_epsilon)
        self.params[name] = _without_bias(self.config, fitted)


def _head_columns(config: EncoderConfig, kernel: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """The columns of the heads from which the output projection is restored best."""
    blocks = outputs.shape[1] // config.head_size
    chosen = choose_blocks(outputs, kernel, blocks=blocks, count=config.heads)
    return np.arange(outputs.shape[1]).reshape(blocks, -1)[chosen].ravel()


def _run(config: EncoderConfig, params: Params, batch: Batch) -> Iterator[LayerRecord]:
    """The record of each layer in turn; all of them would fill the memory."""
    hidden = _embed(config, params["embeddings"], batch)
    for number in range(config.layers):
        record = record_layer(config, _layer(params, number), hidden, batch, number)
        yield record
        hidden = record.after


def _embed(config: EncoderConfig, embeddings: Any, batch: Batch) -> np.ndarray:
    embedded = Embeddings(config).apply({"params": embeddings}, batch)
    return np.asarray(embedded).reshape(-1, config.hidden_size)


def _normalised(config: EncoderConfig, rows: Rows, params: Any) -> Rows:
    return normalise(rows, config.norm_epsilon) * params["scale"] + params.get("bias", 0.0)


def _without_bias(config: EncoderConfig, params: Any) -> Any:
    return params if config.block.biases else {"scale": params["scale"]}


def _map(layer: Any, path: str) -> Any:
    for name in path.split("/"):
        layer = layer[name]
    return layer


def _layer(params: Params, number: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[number], params["layers"])
