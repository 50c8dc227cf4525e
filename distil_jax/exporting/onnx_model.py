"""A model as an ONNX graph, built node by node from the encoder's configuration.

Built with onnx's own helpers and not traced (jax2onnx): the graph is the handful of operators of
exporting/onnx_encoder.py, each kernel a plain MatMul that onnxruntime's tools quantise, a tied
token table is stored once, and neither a change in JAX's traced operations nor a tracer's releases
can break it. The price is a second description of the encoder; the tests hold it to the JAX model's
outputs.
"""

from typing import Any

import jax
import numpy as np

from distil_jax.exporting.extra import require
from distil_jax.exporting.graph import NOTHING, Graph, Kept, Weights
from distil_jax.exporting.onnx_encoder import hidden_states, input_names
from distil_jax.exporting.rows import LARGEST
from distil_jax.exporting.subject import Subject
from distil_jax.exporting.token_table import Table, float_table, int8_table

OPSET = 20
"""The first with Gelu; onnxruntime 1.17 (2024) and later run it."""
IR_VERSION = 9


def onnx_model(
    subject: Subject,
    *,
    weights: Weights = "float32",
    table_largest: int | None = None,
    kept: Kept = NOTHING,
) -> Any:
    """The ONNX `ModelProto` of a model: int64 inputs [batch, length], float32 outputs.

    With `table_largest` the token table is stored in int8 numbers up to it; `kept` is what a
    quantisation leaves in float (`graph.Graph`).
    """
    model = subject.model
    params = jax.tree.map(np.asarray, jax.device_get(dict(model.params)))
    graph = Graph(weights, kept)
    own = params.get("head", {}).get("table")

    def place(name: str, values: Any, *, multiplied: bool) -> Table:
        if table_largest is None:
            return float_table(graph, name, values)
        # A table that is only looked up has all eight bits on every processor.
        largest = table_largest if multiplied else LARGEST
        return int8_table(graph, name, values, largest=largest)

    tied = subject.head == model.config.language_head and own is None
    table = place("tokens", params["encoder"]["embeddings"]["tokens"], multiplied=tied)

    def decode(features: str, name: str) -> str:
        decoder = table if own is None else place("decoder", own, multiplied=True)
        return decoder.decode(graph, features, name)

    hidden = hidden_states(graph, model.config, params["encoder"], table)
    subject.graph_head(graph, params, hidden, decode)
    return _proto(graph, subject)


def _proto(graph: Graph, subject: Subject) -> Any:
    helper, protos = require("onnx.helper"), require("onnx").TensorProto
    inputs = [
        helper.make_tensor_value_info(name, protos.INT64, ["batch", "length"])
        for name in input_names(subject.model.config)
    ]
    outputs = [
        helper.make_tensor_value_info(name, protos.FLOAT, axes)
        for name, axes in subject.outputs.items()
    ]
    body = helper.make_graph(
        graph.nodes, "distil_jax", inputs, outputs, list(graph.constants.values())
    )
    proto = helper.make_model(
        body,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="distil_jax",
    )
    helper.set_model_props(proto, {"head": subject.head})
    return proto
