"""A gate for int8: products go back to float until the graph decides as float32 does.

What a product costs is how much the graph's outputs change on real text where that one alone has
int8 weights and uint8 features. The costliest are left in float, as few as hold the gate. What they
multiply is float then; their weights stay in int8, so the file does not grow, unless the weights'
own rounding is most of the product's error: then they are stored in 16 bits.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from distil_jax.errors import UserError
from distil_jax.exporting.decisions import agreement, decisions, unit
from distil_jax.exporting.extra import require
from distil_jax.exporting.graph import Kept, Stored
from distil_jax.exporting.onnx_encoder import MASK, layer_output
from distil_jax.exporting.onnx_folder import open_session
from distil_jax.exporting.rows import LARGEST, quantised_rows
from distil_jax.exporting.subject import Subject

COSTED_BATCHES = 4
"""Batches of the calibration text that the products' errors are measured on."""
LEVELS = 255
TINY = float(np.finfo(np.float32).tiny)
MOST = 0.5
"""Of a product's own error, more than which its weights' part may not be for them to stay int8."""

Inputs = Mapping[str, np.ndarray]
Write = Callable[[Kept], Path]


class Cost(NamedTuple):
    """||changed - float32||^2 / ||float32||^2.

    Of the graph's `outputs` with one product in int8; of the `product` itself; and of it with no
    more than its `weights` in 8 bits (0 for a token table, which stays in int8).
    """

    outputs: float
    product: float
    weights: float


@dataclass(frozen=True)
class Gated:
    """What the gate did.

    Attributes:
      least: what was asked for.
      agreement: of the graph with float32, and `before` with every product in int8.
      kept: the products in float, each with the outputs' relative error by it, the costliest first.
      stored: how the weights of each of these are stored.
      layers: mean cosine of each layer's hidden states with float32's.
      texts: how many it was measured on.
    """

    least: float
    agreement: float
    before: float
    kept: Mapping[str, float]
    stored: Kept
    layers: Sequence[float]
    texts: int


class _Product(NamedTuple):
    """A matmul with stored weights [in, out], and the names of what it multiplies and makes."""

    features: str
    weights: np.ndarray
    output: str
    of_table: bool


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
    costs = product_costs(subject, whole, batches[:COSTED_BATCHES], largest=largest)
    order = sorted(costs, key=lambda name: -costs[name].outputs)
    found: dict[int, float] = {}
    for small in (True, False):
        stored = {name: _stored(costs[name], small=small) for name in order}

        def kept(count: int, stored: Mapping[str, Stored] = stored) -> Kept:
            return {name: stored[name] for name in order[:count]}

        def holds(count: int, kept: Callable[[int], Kept] = kept) -> bool:
            graph = require("onnx").load(write(kept(count)))
            found[count] = agreement(reference, _decided(subject, graph, batches))
            return found[count] >= least

        count = _fewest(holds, len(order))
        if count is not None:
            break
    else:
        raise UserError(
            f"the gate {least} does not hold: with every matmul in float the agreement is "
            f"{found[len(order)]:.4f}; lower --gate, or use --quantize=float16"
        )
    graph = require("onnx").load(write(kept(count)))
    layers = layer_cosines(subject, whole, graph, batches[:COSTED_BATCHES])
    texts = sum(len(inputs[MASK]) for inputs in batches)
    costliest = {name: costs[name].outputs for name in order[:count]}
    return Gated(least, found[count], found[0], costliest, kept(count), layers, texts)


def _stored(cost: Cost, *, small: bool) -> Stored:
    """A kept product's weights; not `small`: in 16 bits whatever they cost in 8."""
    most = MOST * cost.product if small else 0.0
    return "int8" if cost.weights <= most else "float16"


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


def product_costs(
    subject: Subject, whole: Any, batches: Sequence[Inputs], *, largest: int
) -> dict[str, Cost]:
    """What int8 changes by each product with stored weights, `largest` its largest number."""
    products = _products(whole)
    runtime = _changeable(whole, products.values())
    nothing = {_change(product): np.zeros((1,), np.float32) for product in products.values()}
    features = sorted({product.features for product in products.values()})
    wanted = [*features, *subject.outputs]
    sums = {name: np.full(5, TINY) for name in products}
    for inputs in batches:
        values = dict(zip(wanted, runtime.run(wanted, {**inputs, **nothing}), strict=True))
        expected = _seen(subject, inputs, values)
        for name, product in products.items():
            change, of_weights, size = _own_errors(product, values[product.features], largest)
            given = {**inputs, **nothing, _change(product): change}
            outputs = runtime.run(list(subject.outputs), given)
            found = _seen(subject, inputs, dict(zip(subject.outputs, outputs, strict=True)))
            own = (np.sum(change**2), of_weights, size)
            sums[name] += [np.sum((found - expected) ** 2), np.sum(expected**2), *own]
    return {
        name: Cost(float(error / size), float(change / own), float(of_weights / own))
        for name, (error, size, change, of_weights, own) in sums.items()
    }


def _own_errors(
    product: _Product, features: np.ndarray, largest: int
) -> tuple[np.ndarray, float, float]:
    """What int8 adds to its output; squared sums of what 8-bit weights add, and of the output."""
    expected = features @ product.weights
    change = _bytes(features) @ _rounded(product.weights, largest) - expected
    if product.of_table:
        return change, 0.0, float(np.sum(expected**2))
    of_weights = features @ _rounded(product.weights, LARGEST) - expected
    return change, float(np.sum(of_weights**2)), float(np.sum(expected**2))


def _seen(subject: Subject, inputs: Inputs, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """All numbers of the outputs that are no padding's."""
    seen = inputs[MASK] > 0
    return np.concatenate(
        [
            (outputs[name][seen] if "length" in axes else outputs[name]).ravel()
            for name, axes in subject.outputs.items()
        ]
    )


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
    products: dict[str, _Product] = {}
    for node in whole.graph.node:
        if node.op_type != "MatMul":
            continue
        features, right = node.input
        if right in stored:  # weights that two share are known by the first, the tokens' own
            weights = to_array(stored[right])
            products.setdefault(right, _Product(features, weights, node.output[0], False))
        elif right in turned:
            table = to_array(stored[turned[right]])
            products[node.name] = _Product(features, table.T, node.output[0], True)
    return products


def _change(product: _Product) -> str:
    """The input of a `_changeable` graph that is added to the product's output."""
    return f"{product.output}/change"


def _changeable(graph: Any, products: Iterable[_Product]) -> Any:
    """A session that returns what the products multiply, too, and adds an input to each."""
    onnx = require("onnx")
    changed = onnx.ModelProto()
    changed.CopyFrom(graph)
    by_output = {product.output: product for product in products}
    nodes = []
    for node in changed.graph.node:
        nodes.append(node)
        if node.output[0] in by_output:
            name, change = node.output[0], _change(by_output[node.output[0]])
            node.output[0] = f"{name}/unchanged"
            nodes.append(onnx.helper.make_node("Add", [node.output[0], change], [name]))
            value = onnx.helper.make_tensor_value_info(change, onnx.TensorProto.FLOAT, None)
            changed.graph.input.append(value)
    ordered = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del changed.graph.node[:]
    changed.graph.node.extend(ordered)
    return _showing(changed, [product.features for product in by_output.values()])


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
