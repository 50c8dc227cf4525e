"""Nodes that make one vector of each text: `models.sentence_vectors`, one text a row."""

from collections.abc import Callable
from typing import Any

import numpy as np

from distil_jax.models.sentence_vectors import LEAST_NORM
from distil_jax.models.types import Params
from distil_jax.models.vector_config import NORMALIZE, VectorConfig
from distil_jax.tasks import graph_parts

FLOAT = 1
LOWEST = float(np.finfo(np.float32).min)


def vectors(graph: Any, config: VectorConfig, params: Params, hidden: str) -> str:
    """[batch, width] of hidden states [batch, length, hidden_size]."""
    seen = graph.node("Cast", graph_parts.MASK, name="pooling/seen", to=FLOAT)
    modes = dict.fromkeys(config.pooling)
    of_mode = {mode: POOLINGS[mode](graph, hidden, seen, f"pooling/{mode}") for mode in modes}
    pooled = [of_mode[mode] for mode in config.pooling]
    value = pooled[0]
    if len(pooled) > 1:
        value = graph.node("Concat", *pooled, name="pooling/all", axis=-1)
    for number, stage in enumerate(config.stages):
        name = f"stage_{number}"
        if stage == NORMALIZE:
            value = _normalized(graph, value, name)
        else:
            value = graph.dense(value, params["dense"][str(number)], name)
            value = _activation(graph, value, stage.activation, f"{name}/active")
    return value


def _normalized(graph: Any, value: str, name: str) -> str:
    axis = graph.whole(-1)
    length = graph.node("ReduceL2", value, axis, name=f"{name}/length", keepdims=1)
    least = graph.node("Max", length, graph.real(LEAST_NORM), name=f"{name}/least")
    return graph.node("Div", value, least, name=name)


def _activation(graph: Any, value: str, kind: str, name: str) -> str:
    """The function that PyTorch calls `kind`."""
    if kind == "Identity":
        return value
    if kind == "Sigmoid":
        return graph.node("Sigmoid", value, name=name)
    return graph.activation(value, kind.lower(), name)


def _weighted(graph: Any, hidden: str, weights: str, name: str) -> tuple[str, str]:
    """Sum of the hidden states times their tokens' weights, and the sum of these, 1 at least."""
    column = graph.node("Unsqueeze", weights, graph.whole(2), name=f"{name}/column")
    products = graph.node("Mul", hidden, column, name=f"{name}/weighted")
    total = graph.node("ReduceSum", products, graph.whole(1), name=f"{name}/total", keepdims=0)
    count = graph.node("ReduceSum", weights, graph.whole(1), name=f"{name}/sum", keepdims=1)
    return total, graph.node("Max", count, graph.real(1.0), name=f"{name}/count")


def _mean(graph: Any, hidden: str, seen: str, name: str) -> str:
    return graph.node("Div", *_weighted(graph, hidden, seen, name), name=name)


def _mean_sqrt_length(graph: Any, hidden: str, seen: str, name: str) -> str:
    total, count = _weighted(graph, hidden, seen, name)
    root = graph.node("Sqrt", count, name=f"{name}/root")
    return graph.node("Div", total, root, name=name)


def _weighted_mean(graph: Any, hidden: str, seen: str, name: str) -> str:
    """The n-th token of a text weighs n."""
    axis = graph.constant("int64_axis_1", np.asarray(1, np.int64))
    place = graph.node("CumSum", seen, axis, name=f"{name}/place")
    weights = graph.node("Mul", place, seen, name=f"{name}/weights")
    return graph.node("Div", *_weighted(graph, hidden, weights, name), name=name)


def _first(graph: Any, hidden: str, _: str, name: str) -> str:
    first = graph.node("Gather", hidden, graph.whole(0), name=f"{name}/first", axis=1)
    return graph.node("Squeeze", first, graph.whole(1), name=name)


def _last(graph: Any, hidden: str, _: str, name: str) -> str:
    return graph_parts.last(graph, hidden, name)


def _max(graph: Any, hidden: str, seen: str, name: str) -> str:
    column = graph.node("Unsqueeze", seen, graph.whole(2), name=f"{name}/column")
    there = graph.node("Cast", column, name=f"{name}/there", to=9)
    values = graph.node("Where", there, hidden, graph.real(LOWEST), name=f"{name}/values")
    return graph.node("ReduceMax", values, graph.whole(1), name=name, keepdims=0)


POOLINGS: dict[str, Callable[[Any, str, str, str], str]] = {
    "cls": _first,
    "max": _max,
    "mean": _mean,
    "mean_sqrt_len_tokens": _mean_sqrt_length,
    "weightedmean": _weighted_mean,
    "lasttoken": _last,
}
