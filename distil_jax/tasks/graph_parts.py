"""Nodes that the heads of several kinds add to an ONNX graph."""

from typing import Any

from distil_jax.models import EncoderConfig
from distil_jax.models.types import Params

MASK = "attention_mask"


def transform(graph: Any, config: EncoderConfig, head: Params, value: str) -> str:
    """`models.transform`."""
    dense = graph.dense(value, head["dense"], "head/dense")
    active = graph.activation(dense, config.head_activation, "head/active")
    return graph.norm(active, head["norm"], "head/norm", config.norm_epsilon)


def transformed(graph: Any, config: EncoderConfig, head: Params, value: str) -> str:
    """The same where a head that is no masked LM's begins with it, else the value."""
    return transform(graph, config, head, value) if config.head.transform_everywhere else value


def pooled(graph: Any, config: EncoderConfig, hidden: str) -> str:
    """[batch, hidden_size]: `models.pooling` of one sequence a row."""
    if config.head.pooling == "first":
        first = graph.node("Gather", hidden, graph.whole(0), name="head/first", axis=1)
        return graph.node("Squeeze", first, graph.whole(1), name="head/flat")
    if config.head.pooling == "last":
        return last(graph, hidden, "head/flat")
    return _mean(graph, hidden)


def last(graph: Any, hidden: str, name: str) -> str:
    """[batch, hidden_size]: the hidden states of the rows' last tokens."""
    count = graph.node("ReduceSum", MASK, graph.whole(1), name=f"{name}/tokens", keepdims=1)
    place = graph.node("Sub", count, graph.whole(1), name=f"{name}/last")
    return graph.node("GatherND", hidden, place, name=name, batch_dims=1)


def _mean(graph: Any, hidden: str) -> str:
    seen = graph.node("Cast", MASK, name="head/seen", to=1)
    column = graph.node("Unsqueeze", seen, graph.whole(2), name="head/seen_column")
    product = graph.node("Mul", hidden, column, name="head/of_tokens")
    total = graph.node("ReduceSum", product, graph.whole(1), name="head/sum", keepdims=0)
    count = graph.node("ReduceSum", seen, graph.whole(1), name="head/tokens", keepdims=1)
    return graph.node("Div", total, count, name="head/flat")
