"""A gate for int8: products go back to float until the graph decides as float32 does.

What a product costs is its own error: what int8 weights and activations change of its output on
real text, relative to that output. The costliest are left in float, as few as hold the gate.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from distil_jax.errors import UserError
from distil_jax.exporting.decisions import agreement, decisions, unit
from distil_jax.exporting.extra import require
from distil_jax.exporting.onnx_encoder import MASK, layer_output
from distil_jax.exporting.onnx_folder import open_session
from distil_jax.exporting.subject import Subject
from distil_jax.exporting.token_table import quantised_rows

COSTED_BATCHES = 4
"""Batches of the calibration text that the products' errors are measured on."""
LEVELS = 255
TINY = float(np.finfo(np.float32).tiny)

Inputs = Mapping[str, np.ndarray]
Write = Callable[[frozenset[str]], Path]


@dataclass(frozen=True)
class Gated:
    """What the gate did.

    Attributes:
      least: what was asked for.
      agreement: of the graph with float32, and `before` with every product in int8.
      kept: the products in float, each with its relative error in int8, the costliest first.
      layers: mean cosine of each layer's hidden states with float32's.
      texts: how many it was measured on.
    """

    least: float
    agreement: float
    before: float
    kept: Mapping[str, float]
    layers: Sequence[float]
    texts: int


class _Product(NamedTuple):
    """A matmul with stored weights [in, out], and the name of what it multiplies."""

    features: str
    weights: np.ndarray


def hold(
    subject: Subject,
    whole: Any,
    batches: Sequence[Inputs],
    write: Write,
    *,
    least: float,
    largest: int,
) -> Gated:
    """Let `write` make int8 graphs, the last of which has the fewest products in float that hold.

    `whole` is the float32 graph, `largest` the largest int8 weight; `write` leaves the products of
    these names in float. Raises `UserError` where all of them in float are not near enough.
    """
    reference = _decided(subject, whole, batches)
    costs = product_costs(whole, batches[:COSTED_BATCHES], largest=largest)
    order = sorted(costs, key=lambda name: -costs[name])
    found: dict[int, float] = {}

    def holds(count: int) -> bool:
        graph = require("onnx").load(write(frozenset(order[:count])))
        found[count] = agreement(reference, _decided(subject, graph, batches))
        return found[count] >= least

    count = _fewest(holds, len(order))
    if count is None:
        raise UserError(
            f"the gate {least} does not hold: with every matmul in float the agreement is "
            f"{found[len(order)]:.4f}; lower --gate, or use --quantize=float16"
        )
    graph = require("onnx").load(write(frozenset(order[:count])))
    kept = {name: costs[name] for name in order[:count]}
    layers = layer_cosines(subject, whole, graph, batches[:COSTED_BATCHES])
    texts = sum(len(inputs[MASK]) for inputs in batches)
    return Gated(least, found[count], found[0], kept, layers, texts)


def _fewest(holds: Callable[[int], bool], most: int) -> int | None:
    """The fewest for which it holds, by bisection; None where it does not even for `most`."""
    if holds(0):
        return 0
    if not holds(most):
        return None
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _decided(subject: Subject, graph: Any, batches: Sequence[Inputs]) -> list[np.ndarray]:
    runtime, names = open_session(graph.SerializeToString()), list(subject.outputs)
    return [
        decisions(subject, inputs, dict(zip(names, runtime.run(names, dict(inputs)), strict=True)))
        for inputs in batches
    ]


def product_costs(whole: Any, batches: Sequence[Inputs], *, largest: int) -> dict[str, float]:
    """Of each product with stored weights: ||int8 - float32||^2 / ||float32||^2 of its output."""
    products = _products(whole)
    runtime = _showing(whole, [product.features for product in products.values()])
    errors, sizes = dict.fromkeys(products, 0.0), dict.fromkeys(products, TINY)
    rounded = {name: _rounded(product.weights, largest) for name, product in products.items()}
    wanted = sorted({product.features for product in products.values()})
    for inputs in batches:
        values = dict(zip(wanted, runtime.run(wanted, dict(inputs)), strict=True))
        for name, product in products.items():
            features = values[product.features]
            expected = features @ product.weights
            errors[name] += float(np.sum((_bytes(features) @ rounded[name] - expected) ** 2))
            sizes[name] += float(np.sum(expected**2))
    return {name: errors[name] / sizes[name] for name in products}


def layer_cosines(
    subject: Subject, whole: Any, graph: Any, batches: Sequence[Inputs]
) -> list[float]:
    """The mean over the tokens, of each layer."""
    config = subject.model.config
    names = [layer_output(config, number) for number in range(config.layers)]
    pair = [_showing(each, names) for each in (whole, graph)]
    cosines: list[list[np.ndarray]] = [[] for _ in names]
    for inputs in batches:
        seen = inputs[MASK] > 0
        first, second = (runtime.run(names, dict(inputs)) for runtime in pair)
        for number, (ours, theirs) in enumerate(zip(first, second, strict=True)):
            cosines[number].append(np.sum(unit(ours[seen]) * unit(theirs[seen]), axis=-1))
    return [float(np.mean(np.concatenate(every))) for every in cosines]


def _products(whole: Any) -> dict[str, _Product]:
    """By what `Graph.kept` calls them: their weights; a decoder by its own name.

    A decoder multiplies with the token table, transposed.
    """
    to_array = require("onnx.numpy_helper").to_array
    stored = {tensor.name: tensor for tensor in whole.graph.initializer}
    turned = {
        node.output[0]: node.input[0]
        for node in whole.graph.node
        if node.op_type == "Transpose" and node.input[0] in stored
    }
    products = {}
    for node in whole.graph.node:
        if node.op_type != "MatMul":
            continue
        if node.input[1] in stored:
            products[node.input[1]] = _Product(node.input[0], to_array(stored[node.input[1]]))
        elif node.input[1] in turned:
            table = to_array(stored[turned[node.input[1]]])
            products[node.name] = _Product(node.input[0], table.T)
    return products


def _showing(graph: Any, names: Sequence[str]) -> Any:
    """A session of the graph that returns these values, too."""
    onnx = require("onnx")
    shown = onnx.ModelProto()
    shown.CopyFrom(graph)
    known = {value.name for value in shown.graph.output}
    for name in sorted({*names} - known):
        value = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        shown.graph.output.append(value)
    return open_session(shown.SerializeToString())


def _rounded(weights: np.ndarray, largest: int) -> np.ndarray:
    """As they are in int8, a scale for each column."""
    numbers, scales = quantised_rows(np.ascontiguousarray(weights.T), largest)
    return (numbers * scales[:, None]).T


def _bytes(features: np.ndarray) -> np.ndarray:
    """As they are in uint8, one scale for all (ONNX DynamicQuantizeLinear)."""
    low, high = min(0.0, float(features.min())), max(0.0, float(features.max()))
    scale = max((high - low) / LEVELS, TINY)
    zero = np.rint(-low / scale)
    return ((np.rint(features / scale) + zero).clip(0, LEVELS) - zero).astype(np.float32) * scale
