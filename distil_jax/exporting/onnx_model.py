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

from distil_jax.errors import UserError
from distil_jax.exporting.extra import require
from distil_jax.exporting.graph import Graph, Weights
from distil_jax.exporting.onnx_encoder import hidden_states, input_names
from distil_jax.exporting.token_table import Table, float_table, int8_table
from distil_jax.pretrained import Pretrained
from distil_jax.tasks.table import kind_of_head

OPSET = 20
"""The first with Gelu; onnxruntime 1.17 (2024) and later run it."""
IR_VERSION = 9


def onnx_model(
    model: Pretrained, *, weights: Weights = "float32", table_largest: int | None = None
) -> Any:
    """The ONNX `ModelProto` of a model: int64 inputs [batch, length], float32 outputs.

    With `table_largest` the token table is stored in int8 numbers up to it. Raises `UserError` for
    a model without a head.
    """
    kind = kind_of_head(model.head)
    if kind is None:
        raise UserError("the model has no head; an export needs one")
    params = jax.tree.map(np.asarray, jax.device_get(dict(model.params)))
    graph = Graph(weights)

    def place(name: str, values: Any) -> Table:
        if table_largest is None:
            return float_table(graph, name, values)
        return int8_table(graph, name, values, largest=table_largest)

    table = place("tokens", params["encoder"]["embeddings"]["tokens"])

    def decode(features: str, name: str) -> str:
        own = params.get("head", {}).get("table")
        return (table if own is None else place("decoder", own)).decode(graph, features, name)

    hidden = hidden_states(graph, model.config, params["encoder"], table)
    kind.graph_head(graph, model.config, params.get("head", {}), hidden, decode)
    return _proto(graph, model)


def _proto(graph: Graph, model: Pretrained) -> Any:
    helper, protos = require("onnx.helper"), require("onnx").TensorProto
    kind = kind_of_head(model.head)
    assert kind is not None
    inputs = [
        helper.make_tensor_value_info(name, protos.INT64, ["batch", "length"])
        for name in input_names(model.config)
    ]
    axes = kind.export_axes(model.config, len(model.labels))
    outputs = [
        helper.make_tensor_value_info(name, protos.FLOAT, axes) for name in kind.export_outputs
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
    helper.set_model_props(proto, {"head": model.head})
    return proto
