"""The nodes of the encoder: embeddings, attention, feed-forward blocks."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from distil_jax.exporting.graph import Graph
from distil_jax.exporting.table import Table
from distil_jax.models import EncoderConfig

IDS, MASK, TYPES = "input_ids", "attention_mask", "token_type_ids"
UNSEEN = -1e9


def input_names(config: EncoderConfig) -> tuple[str, ...]:
    """The inputs that a model has; a single token type is no input."""
    return (IDS, MASK, TYPES) if config.token_types > 1 else (IDS, MASK)


def hidden_states(graph: Graph, config: EncoderConfig, encoder: Any, table: Table) -> str:
    """Final hidden states [batch, length, hidden_size]; `encoder` holds stacked layers."""
    hidden = _embedded(graph, config, encoder["embeddings"], table)
    bias = _attention_bias(graph)
    for number in range(config.layers):
        own = _layer_of(encoder["layers"], number)
        hidden = _layer(graph, config, own, hidden, bias, f"layer_{number}")
    return hidden


def _embedded(graph: Graph, config: EncoderConfig, params: Any, table: Table) -> str:
    """Positions count from the row's beginning: padding belongs behind the text."""
    places = np.asarray(params["positions"])[config.position_offset :]
    if config.token_types == 1:
        places = places + np.asarray(params["token_types"])[0]
    stored = graph.weight("positions", places)
    shape = graph.node("Shape", IDS, name="length", start=1, end=2)
    place = graph.node("Slice", stored, graph.whole(0), shape, name="own_positions")
    if config.token_types > 1:
        types = graph.weight("token_types", params["token_types"])
        own = graph.node("Gather", types, TYPES, name="own_token_types", axis=0)
        place = graph.node("Add", place, own, name="places")
    tokens = table.look_up(graph, IDS, "own_tokens")
    embedded = graph.node("Add", tokens, place, name="embedded")
    return graph.norm(embedded, params["norm"], "embeddings", config.norm_epsilon)


def _attention_bias(graph: Graph) -> str:
    """[batch, 1, 1, length]: 0 at tokens, a large negative number at padding."""
    seen = graph.node("Cast", MASK, name="seen", to=9)
    bias = graph.node("Where", seen, graph.real(0.0), graph.real(UNSEEN), name="flat_bias")
    return graph.node("Unsqueeze", bias, graph.whole(1, 2), name="bias")


def _layer_of(layers: Mapping[str, Any], number: int) -> Any:
    return {
        name: _layer_of(value, number) if isinstance(value, Mapping) else np.asarray(value)[number]
        for name, value in layers.items()
    }


def _layer(
    graph: Graph, config: EncoderConfig, params: Any, hidden: str, bias: str, name: str
) -> str:
    epsilon = config.norm_epsilon
    mixed = _attention(graph, config, params["attention"], hidden, bias, f"{name}/attention")
    summed = graph.node("Add", hidden, mixed, name=f"{name}/attention/residual")
    hidden = graph.norm(summed, params["attention_norm"], f"{name}/attention_norm", epsilon)
    inner = graph.dense(hidden, params["mlp_in"], f"{name}/inner")
    active = graph.activation(inner, config.activation, f"{name}/active")
    outer = graph.dense(active, params["mlp_out"], f"{name}/outer")
    summed = graph.node("Add", hidden, outer, name=f"{name}/residual")
    return graph.norm(summed, params["mlp_norm"], f"{name}/norm", epsilon)


def _attention(
    graph: Graph, config: EncoderConfig, params: Any, hidden: str, bias: str, name: str
) -> str:
    """Query, key and value are one product; the kernel's query part holds 1 / sqrt(head size)."""
    together = graph.dense(hidden, _together(config, params), f"{name}/projected")
    query, key, value = graph.split(
        together, [f"{name}/{part}" for part in ("query", "key", "value")], axis=-1
    )
    query = _heads(graph, config, query, [0, 2, 1, 3])
    key = _heads(graph, config, key, [0, 2, 3, 1])
    value = _heads(graph, config, value, [0, 2, 1, 3])
    scores = graph.node("MatMul", query, key, name=f"{name}/scores")
    biased = graph.node("Add", scores, bias, name=f"{name}/biased")
    shares = graph.node("Softmax", biased, name=f"{name}/shares", axis=-1)
    mixed = graph.node("MatMul", shares, value, name=f"{name}/mixed")
    turned = graph.node("Transpose", mixed, name=f"{name}/turned", perm=[0, 2, 1, 3])
    flat = graph.node("Reshape", turned, graph.whole(0, 0, config.hidden_size), name=f"{name}/flat")
    return graph.dense(flat, params["output"], f"{name}/output")


def _together(config: EncoderConfig, params: Any) -> dict[str, np.ndarray]:
    scale = np.float32(config.head_size**-0.5)
    factors = {"query": scale, "key": np.float32(1), "value": np.float32(1)}
    return {
        kind: np.concatenate([params[part][kind] * by for part, by in factors.items()], axis=-1)
        for kind in ("kernel", "bias")
    }


def _heads(graph: Graph, config: EncoderConfig, value: str, order: list[int]) -> str:
    split = graph.node(
        "Reshape",
        value,
        graph.whole(0, 0, config.heads, config.head_size),
        name=f"{value}/heads",
    )
    return graph.node("Transpose", split, name=f"{value}/turned", perm=order)
