"""The nodes of the encoder: embeddings, attention, feed-forward blocks."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from distil_jax.exporting.graph import Graph
from distil_jax.exporting.onnx_disentangled import RelativeTable, position_scores, relative_table
from distil_jax.exporting.token_table import Table
from distil_jax.models import EncoderConfig
from distil_jax.models.relative_bias import buckets
from distil_jax.models.rotary import rotation
from distil_jax.models.segments import MASK_VALUE

IDS, MASK, TYPES = "input_ids", "attention_mask", "token_type_ids"


class _View(NamedTuple):
    """What a layer sees: the names of its bias, and of the cosine and sine of rotary positions.

    And the `table` of disentangled attention, which all layers see alike.
    """

    bias: str
    rotation: tuple[str, str] | None
    table: RelativeTable | None


def input_names(config: EncoderConfig) -> tuple[str, ...]:
    """The inputs that a model has; a single token type is no input."""
    return (IDS, MASK, TYPES) if config.token_types > 1 else (IDS, MASK)


def hidden_states(graph: Graph, config: EncoderConfig, encoder: Any, table: Table) -> str:
    """Final hidden states [batch, length, hidden_size]; `encoder` holds stacked layers."""
    hidden = _embedded(graph, config, encoder["embeddings"], table)
    kinds = config.block.kinds(config.layers)
    relative = _relative_bias(graph, config, encoder)
    distances = relative_table(graph, config, encoder)
    biases = {
        window: _attention_bias(graph, config, window, relative)
        for window in sorted({kind.window for kind in kinds})
    }
    rotations = {
        theta: _rotation(graph, config, theta) for theta in sorted({kind.theta for kind in kinds})
    }
    for number, kind in enumerate(kinds):
        params = _layer_of(encoder["layers"], number)
        view = _View(biases[kind.window], rotations[kind.theta], distances)
        hidden = _layer(graph, config, params, hidden, view, number)
    if config.block.norm == "post":
        return hidden
    return graph.norm(hidden, encoder["final_norm"], "final_norm", config.norm_epsilon)


def layer_output(config: EncoderConfig, number: int) -> str:
    """The name of a layer's hidden states, layers counted from 0."""
    last = "mlp_norm" if config.block.norm == "post" else "residual"
    return f"layer_{number}/{last}"


def _embedded(graph: Graph, config: EncoderConfig, params: Any, table: Table) -> str:
    """Positions count from the row's beginning: padding belongs behind the text."""
    embedded = table.look_up(graph, IDS, "token_embeddings")
    if config.block.position_table:
        positions = np.asarray(params["positions"])[config.position_offset :]
        if config.token_types == 1:
            positions = positions + np.asarray(params["token_types"])[0]
        stored = graph.weight("positions", positions)
        added = _first_rows(graph, stored, "position_embeddings")
        if config.token_types > 1:
            types = graph.weight("token_types", params["token_types"])
            types = graph.node("Gather", types, TYPES, name="token_type_embeddings", axis=0)
            added = graph.node("Add", added, types, name="added")
        embedded = graph.node("Add", embedded, added, name="embedded")
    if config.block.embedding_norm:
        embedded = graph.norm(embedded, params["norm"], "embeddings", config.norm_epsilon)
    if config.embedding_size:
        embedded = graph.dense(embedded, params["projection"], "projection")
    return embedded


def _first_rows(graph: Graph, table: str, name: str) -> str:
    """As many rows of a table by position as the inputs have tokens."""
    shape = graph.node("Shape", IDS, name=f"{name}/length", start=1, end=2)
    return graph.node("Slice", table, graph.whole(0), shape, name=name)


def _rotation(graph: Graph, config: EncoderConfig, theta: float) -> tuple[str, str] | None:
    """Cosine and sine of each position's angles [length, head_size / 2]; None without rotation."""
    if not theta:
        return None
    places = jnp.arange(config.positions)[None]
    tables = rotation(places, config.head_size, theta)
    cosine, sine = (
        _first_rows(
            graph,
            graph.constant(f"rotary/{theta!r}/{name}_of_all", np.asarray(table[0])),
            f"rotary/{theta!r}/{name}",
        )
        for name, table in zip(("cosine", "sine"), tables, strict=True)
    )
    return cosine, sine


def _rotated(graph: Graph, value: str, angles: tuple[str, str] | None) -> str:
    """Queries or keys [batch, heads, length, head_size], turned as in `models.rotary`."""
    if angles is None:
        return value
    cosine, sine = angles
    first, second = graph.split(value, [f"{value}/first", f"{value}/second"], axis=-1)

    def product(x: str, y: str) -> str:
        return graph.node("Mul", x, y, name=f"{x}/times_{y.rpartition('/')[2]}")

    halves = (
        graph.node("Sub", product(first, cosine), product(second, sine), name=f"{value}/turned_1"),
        graph.node("Add", product(second, cosine), product(first, sine), name=f"{value}/turned_2"),
    )
    return graph.node("Concat", *halves, name=f"{value}/rotated", axis=-1)


def _relative_bias(graph: Graph, config: EncoderConfig, encoder: Any) -> str:
    """The heads' bias by distance [heads, length, length]; empty without one.

    Stored for each distance that the positions allow, from the key farthest before the query on.
    """
    if not config.block.relative_bias:
        return ""
    last = config.positions - 1
    by_distance = np.asarray(encoder["relative_bias"])[buckets(np.arange(-last, last + 1))]
    stored = graph.weight("relative/by_distance", by_distance)
    distance = _distance(graph, "relative")
    place = graph.node("Sub", graph.whole(last), distance, name="relative/place")
    values = graph.node("Gather", stored, place, name="relative/values", axis=0)
    return graph.node("Transpose", values, name="relative/turned", perm=[2, 0, 1])


def _attention_bias(graph: Graph, config: EncoderConfig, window: int, relative: str) -> str:
    """What is added to the scores: 0 at keys that may be seen, a large negative number elsewhere.

    [batch, 1, 1, length], or [batch, 1, length, length] where it depends on the query, too; with
    the `relative` bias [batch, heads, length, length].
    """
    bias = _mask_bias(graph, config, window)
    if not relative:
        return bias
    return graph.node("Add", relative, bias, name=f"relative/{bias}")


def _mask_bias(graph: Graph, config: EncoderConfig, window: int) -> str:
    name = f"bias_{window}" if window else "bias"
    seen = graph.node("Cast", MASK, name=f"{name}/seen", to=9)
    bias = graph.node("Where", seen, graph.real(0.0), graph.real(MASK_VALUE), name=f"{name}/flat")
    allowed = _allowed(graph, config, window, name)
    if not allowed:
        return graph.node("Unsqueeze", bias, graph.whole(1, 2), name=name)
    padding = graph.node("Unsqueeze", bias, graph.whole(1, 2), name=f"{name}/padding")
    pattern = allowed[0]
    for other in allowed[1:]:
        pattern = graph.node("And", pattern, other, name=f"{name}/both")
    values = (graph.real(0.0), graph.real(MASK_VALUE))
    pairs = graph.node("Where", pattern, *values, name=f"{name}/pairs")
    return graph.node("Add", padding, pairs, name=name)


def _allowed(graph: Graph, config: EncoderConfig, window: int, name: str) -> list[str]:
    """Conditions [query, key] on the distance of two tokens; none where any distance will do."""
    if not (config.block.causal or window):
        return []
    distance = _distance(graph, name)
    conditions = []
    if config.block.causal:
        zero = graph.whole(0)
        conditions.append(graph.node("GreaterOrEqual", distance, zero, name=f"{name}/past"))
    if window:
        far = graph.node("Abs", distance, name=f"{name}/far")
        conditions.append(graph.node("LessOrEqual", far, graph.whole(window), name=f"{name}/near"))
    return conditions


def _distance(graph: Graph, name: str) -> str:
    """The query's position minus the key's [length, length]."""
    shape = graph.node("Shape", IDS, name=f"{name}/length", start=1, end=2)
    bounds = [
        graph.node("Squeeze", value, name=f"{name}/{end}")
        for end, value in (("first", graph.whole(0)), ("last", shape), ("step", graph.whole(1)))
    ]
    index = graph.node("Range", *bounds, name=f"{name}/index")
    query = graph.node("Unsqueeze", index, graph.whole(1), name=f"{name}/query")
    key = graph.node("Unsqueeze", index, graph.whole(0), name=f"{name}/key")
    return graph.node("Sub", query, key, name=f"{name}/distance")


def _layer_of(layers: Mapping[str, Any], number: int) -> Any:
    return {
        name: _layer_of(value, number) if isinstance(value, Mapping) else np.asarray(value)[number]
        for name, value in layers.items()
    }


def _layer(
    graph: Graph, config: EncoderConfig, params: Any, hidden: str, view: _View, number: int
) -> str:
    block, epsilon, name = config.block, config.norm_epsilon, f"layer_{number}"

    def norm(value: str, which: str) -> str:
        if number == 0 and which == "attention_norm" and not block.first_norm:
            return value
        return graph.norm(value, params[which], f"{name}/{which}", epsilon)

    def residual(value: str, which: str, branch: Callable[[str], str], total: str) -> str:
        if block.norm == "pre":
            return graph.node("Add", value, branch(norm(value, which)), name=total)
        return norm(graph.node("Add", value, branch(value), name=total), which)

    def attend(value: str) -> str:
        return _attention(graph, config, params["attention"], value, view, f"{name}/attention")

    def feed_forward(value: str) -> str:
        return _feed_forward(graph, config, params, value, name)

    hidden = residual(hidden, "attention_norm", attend, f"{name}/attention/residual")
    return residual(hidden, "mlp_norm", feed_forward, f"{name}/residual")


def _feed_forward(graph: Graph, config: EncoderConfig, params: Any, hidden: str, name: str) -> str:
    inner = graph.dense(hidden, params["mlp_in"], f"{name}/mlp_in")
    active = graph.activation(inner, config.activation, f"{name}/active")
    if config.block.gated:
        gate = graph.dense(hidden, params["mlp_gate"], f"{name}/mlp_gate")
        active = graph.node("Mul", active, gate, name=f"{name}/gated")
    return graph.dense(active, params["mlp_out"], f"{name}/mlp_out")


def _attention(
    graph: Graph, config: EncoderConfig, params: Any, hidden: str, view: _View, name: str
) -> str:
    """Query, key and value are one matmul; the query's part holds the scores' divisor."""
    together = _together(config, params)
    query, key, value = _projected(graph, hidden, together, f"{name}/projected", name)
    query = _rotated(graph, _heads(graph, config, query, [0, 2, 1, 3]), view.rotation)
    if view.rotation is None and view.table is None:
        columns = _heads(graph, config, key, [0, 2, 3, 1])
    else:
        key = _rotated(graph, _heads(graph, config, key, [0, 2, 1, 3]), view.rotation)
        columns = graph.node("Transpose", key, name=f"{name}/key_columns", perm=[0, 1, 3, 2])
    value = _heads(graph, config, value, [0, 2, 1, 3])
    scores = graph.node("MatMul", query, columns, name=f"{name}/scores")
    if view.table is not None:
        own = f"{name}/relative"
        rows = _projected(graph, view.table.embeddings, together, f"{name}/projected", own)
        added = position_scores(graph, config, view.table, (rows[0], rows[1]), (query, key))
        scores = graph.node("Add", scores, added, name=f"{name}/disentangled")
    biased = graph.node("Add", scores, view.bias, name=f"{name}/biased")
    shares = graph.node("Softmax", biased, name=f"{name}/shares", axis=-1)
    mixed = graph.node("MatMul", shares, value, name=f"{name}/mixed")
    turned = graph.node("Transpose", mixed, name=f"{name}/turned", perm=[0, 2, 1, 3])
    flat = graph.node("Reshape", turned, graph.whole(0, 0, config.hidden_size), name=f"{name}/flat")
    return graph.dense(flat, params["output"], f"{name}/output")


def _projected(graph: Graph, value: str, together: Any, shared: str, name: str) -> Sequence[str]:
    """Queries, keys and values of the inputs or of the table, by the weights that both share."""
    every = graph.dense(value, together, f"{name}/projected", shared=shared)
    return graph.split(every, [f"{name}/{part}" for part in ("query", "key", "value")], axis=-1)


def _together(config: EncoderConfig, params: Any) -> dict[str, np.ndarray]:
    kinds_of_scores = 3 if config.block.relative_span else 1
    scale = np.float32((kinds_of_scores * config.head_size) ** -0.5)
    factors = {"query": scale, "key": np.float32(1), "value": np.float32(1)}
    return {
        kind: np.concatenate([params[part][kind] * by for part, by in factors.items()], axis=-1)
        for kind in params["query"]
    }


def _heads(graph: Graph, config: EncoderConfig, value: str, order: list[int]) -> str:
    split = graph.node(
        "Reshape",
        value,
        graph.whole(0, 0, config.heads, config.head_size),
        name=f"{value}/heads",
    )
    return graph.node("Transpose", split, name=f"{value}/turned", perm=order)
