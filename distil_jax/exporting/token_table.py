"""The token table in a graph: looked up by the embeddings, and multiplied by a tied decoder.

It is stored once, as float32, float16 or int8. In int8 each token has a scale of its own, which the
looked-up row is multiplied by, and, in the decoder, the token's column of the product.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from distil_jax.exporting.graph import Graph
from distil_jax.exporting.rows import quantised_rows


@dataclass(frozen=True)
class FloatTable:
    """Stored in the graph's own weights."""

    stored: str

    def look_up(self, graph: Graph, indices: str, name: str) -> str:
        """The rows of these indices."""
        return graph.node("Gather", self.stored, indices, name=name, axis=0)

    def decode(self, graph: Graph, features: str, name: str) -> str:
        """The product with the table, transposed by the run-time when it loads the graph."""
        turned = graph.node("Transpose", self.stored, name=f"{self.stored}/turned", perm=[1, 0])
        return graph.node("MatMul", features, turned, name=name)


@dataclass(frozen=True)
class Int8Table:
    """Stored as int8 with a float32 scale for each token."""

    stored: str
    scales: str

    def look_up(self, graph: Graph, indices: str, name: str) -> str:
        """The rows of these indices, in float32."""
        rows = graph.node("Gather", self.stored, indices, name=f"{name}/int8", axis=0)
        scales = graph.node("Gather", self.scales, indices, name=f"{name}/scale", axis=0)
        column = graph.node("Unsqueeze", scales, graph.whole(-1), name=f"{name}/column")
        wide = graph.node("Cast", rows, name=f"{name}/float32", to=1)
        return graph.node("Mul", wide, column, name=name)

    def decode(self, graph: Graph, features: str, name: str) -> str:
        """An integer product, or a float32 one; the features' range is taken at run time."""
        turned = graph.node("Transpose", self.stored, name=f"{self.stored}/turned", perm=[1, 0])
        if name in graph.kept:
            columns = graph.node("Cast", turned, name=f"{self.stored}/float32", to=1)
            product = graph.node("MatMul", features, columns, name=f"{name}/float")
            return graph.node("Mul", product, self.scales, name=name)
        parts = [f"{name}/uint8", f"{name}/feature_scale", f"{name}/feature_zero"]
        graph.quantise(features, parts)
        product = graph.node("MatMulInteger", parts[0], turned, parts[2], name=f"{name}/integer")
        wide = graph.node("Cast", product, name=f"{name}/float32", to=1)
        scale = graph.node("Mul", parts[1], self.scales, name=f"{name}/scale")
        return graph.node("Mul", wide, scale, name=name)


Table = FloatTable | Int8Table


def float_table(graph: Graph, name: str, values: Float[np.ndarray, "rows width"]) -> Table:
    """Put a table into the graph as it is."""
    return FloatTable(graph.weight(name, values))


def int8_table(
    graph: Graph, name: str, values: Float[np.ndarray, "rows width"], *, largest: int
) -> Table:
    """Put a table into the graph as int8 numbers up to `largest`."""
    numbers, scales = quantised_rows(values, largest)
    return Int8Table(graph.constant(name, numbers), graph.constant(f"{name}/scales", scales))
