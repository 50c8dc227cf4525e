"""int8 variants of an ONNX graph, with onnxruntime's own tools.

Quantised are the products with the model's kernels; products of two computed values (attention)
stay in float32. The token table, and a masked LM's decoder with it, is int8 in the graph already.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from distil_jax.exporting.extra import require
from distil_jax.exporting.rows import LARGEST, LARGEST_REDUCED

Quantisation = Literal["none", "float16", "int8", "int8-static"]
QUANTISATIONS: tuple[Quantisation, ...] = ("none", "float16", "int8", "int8-static")

Inputs = Mapping[str, np.ndarray]


def largest(reduce_range: bool) -> int:
    """The largest int8 number of a weight.

    x86 without VNNI sums two products of uint8 and int8 in 16 bits; those of 7 bits always fit.
    """
    return LARGEST_REDUCED if reduce_range else LARGEST


def quantise_dynamic(source: Path, target: Path, *, reduce_range: bool, external: bool) -> None:
    """int8 kernels, a scale a column; the range of what they multiply is taken at run time."""
    tools = require("onnxruntime.quantization")
    tools.quantize_dynamic(
        source,
        target,
        op_types_to_quantize=["MatMul"],
        nodes_to_quantize=_products(source),
        per_channel=True,
        reduce_range=reduce_range,
        weight_type=tools.QuantType.QInt8,
        use_external_data_format=external,
    )


def quantise_static(
    source: Path,
    target: Path,
    batches: Iterable[Inputs],
    *,
    reduce_range: bool,
    external: bool,
) -> None:
    """As `quantise_dynamic`, but with ranges fixed by what `batches` of real text showed."""
    tools = require("onnxruntime.quantization")
    tools.quantize_static(
        source,
        target,
        _Reader(iter(batches)),
        op_types_to_quantize=["MatMul"],
        nodes_to_quantize=_products(source),
        per_channel=True,
        reduce_range=reduce_range,
        activation_type=tools.QuantType.QUInt8,
        weight_type=tools.QuantType.QInt8,
        calibrate_method=tools.CalibrationMethod.MinMax,
        use_external_data_format=external,
        extra_options={"OpTypesToExcludeOutputQuantization": ["MatMul"]},
    )


def _products(source: Path) -> list[str]:
    """The nodes that multiply with a stored float32 kernel."""
    graph = require("onnx").load(source, load_external_data=False).graph
    stored = {constant.name for constant in graph.initializer}
    return [
        node.name for node in graph.node if node.op_type == "MatMul" and node.input[1] in stored
    ]


class _Reader:
    """What onnxruntime's calibration asks its batches from."""

    def __init__(self, batches: Iterator[Inputs]) -> None:
        self.batches = batches

    def get_next(self) -> Any:
        """The next batch, or None behind the last."""
        return next(self.batches, None)
