"""The nodes of disentangled attention: what `models.disentangled` adds to the scores."""

from typing import Any, NamedTuple

import numpy as np

from distil_jax.exporting.graph import Graph
from distil_jax.models import EncoderConfig
from distil_jax.models.disentangled import table_rows


class RelativeTable(NamedTuple):
    """The names of the normalised relative embeddings [rows, hidden_size], and of two vectors.

    Attributes:
      of_keys, of_queries: the table's row for each distance of two tokens of the inputs, from
        -(length - 1) to length - 1; the distance is the key's place minus the query's for
        `of_keys`, the other way round for `of_queries`.
    """

    embeddings: str
    of_keys: str
    of_queries: str


def relative_table(graph: Graph, config: EncoderConfig, encoder: Any) -> RelativeTable | None:
    """What all layers share; None for a model without relative embeddings."""
    span, last = config.block.relative_span, config.positions
    if not span:
        return None
    stored = graph.weight("relative/table", encoder["relative_embeddings"])
    embeddings = graph.norm(stored, encoder["relative_norm"], "relative/norm", config.norm_epsilon)
    every = table_rows(span, config.block.relative_reach, np.arange(1 - last, last))
    length = graph.node("Shape", "input_ids", name="relative/length", start=1, end=2)
    first = graph.node("Sub", graph.whole(last), length, name="relative/first")
    end = graph.node("Add", graph.whole(last - 1), length, name="relative/end")

    def within(name: str, rows: np.ndarray) -> str:
        whole = graph.constant(f"relative/{name}_of_all", rows.astype(np.int64))
        return graph.node("Slice", whole, first, end, name=f"relative/{name}")

    return RelativeTable(embeddings, within("keys", every[::-1]), within("queries", every))


def position_scores(
    graph: Graph,
    config: EncoderConfig,
    table: RelativeTable,
    positions: tuple[str, str],
    tokens: tuple[str, str],
) -> str:
    """Content to position plus position to content [batch, heads, length, length].

    `positions` are the queries and keys of the table [rows, hidden_size], `tokens` those of the
    inputs [batch, heads, length, head_size]. Either query holds the scores' divisor.
    """
    (table_query, table_key), (query, key) = positions, tokens
    to_position = _by_place(graph, _products(graph, config, query, table_key, table.of_keys))
    to_content = _by_place(graph, _products(graph, config, key, table_query, table.of_queries))
    turned = graph.node("Transpose", to_content, name=f"{to_content}/turned", perm=[0, 1, 3, 2])
    return graph.node("Add", to_position, turned, name=f"{query}/positions")


def _products(graph: Graph, config: EncoderConfig, tokens: str, table: str, rows: str) -> str:
    """Each token times the table's row of each distance [batch, heads, length, distances].

    The columns of all rows depend on no input: onnxruntime computes them once, on loading.
    """
    shape = graph.whole(-1, config.heads, config.head_size)
    heads = graph.node("Reshape", table, shape, name=f"{table}/heads")
    columns = graph.node("Transpose", heads, name=f"{table}/columns", perm=[1, 2, 0])
    chosen = graph.node("Gather", columns, rows, name=f"{table}/by_distance", axis=2)
    return graph.node("MatMul", tokens, chosen, name=f"{tokens}/by_distance")


def _by_place(graph: Graph, scores: str) -> str:
    """[i, j] is what stands at distance j - i: the shift of `models.disentangled`, by reshaping.

    Of an empty batch no size follows from the others, so all are given, the batch's, too:
    onnxruntime makes a single size that is computed into -1.
    """
    batch = graph.node("Shape", scores, name=f"{scores}/batch", start=0, end=1)
    length = graph.node("Shape", scores, name=f"{scores}/length", start=2, end=3)
    distances = graph.node("Shape", scores, name=f"{scores}/distances", start=3, end=4)
    pads = graph.whole(0, 0, 0, 0, 0, 0, 0, 1)
    padded = graph.node("Pad", scores, pads, name=f"{scores}/padded")
    columns = graph.node("Add", distances, graph.whole(1), name=f"{scores}/columns")
    every = graph.node("Mul", length, columns, name=f"{scores}/every")
    row = graph.node("Concat", batch, graph.whole(0), every, name=f"{scores}/row", axis=0)
    flat = graph.node("Reshape", padded, row, name=f"{scores}/flat")
    before = graph.node("Sub", length, graph.whole(1), name=f"{scores}/before")
    shifted = graph.node(
        "Slice", flat, before, graph.whole(-1), graph.whole(2), name=f"{scores}/shifted"
    )
    sizes = (graph.whole(0, 0), length, distances)
    shape = graph.node("Concat", *sizes, name=f"{scores}/shape", axis=0)
    rows = graph.node("Reshape", shifted, shape, name=f"{scores}/rows")
    return graph.node(
        "Slice", rows, graph.whole(0), length, graph.whole(3), name=f"{scores}/by_place"
    )
