"""An ONNX graph, node by node: a method for each operator that the encoders need."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from distil_jax.errors import UserError
from distil_jax.exporting.extra import require
from distil_jax.exporting.rows import LARGEST, quantised_rows

Weights = Literal["float32", "float16"]
Stored = Literal["int8", "float16"]
Kept = Mapping[str, Stored]
"""What int8 leaves in float, and how its weights are stored; a decoder's are its table's."""
NOTHING: Kept = MappingProxyType({})


class Graph:
    """Nodes and constants in the making; values are known by their names.

    With float16 `weights` every array of two dimensions or more is stored in 16 bits and widened
    where it is used: the run-time does that once, when it loads the graph. With float32 weights
    those named in `kept` are stored as that says and widened likewise, and `kept` decoders multiply
    in float32: int8 leaves them.
    """

    def __init__(self, weights: Weights = "float32", kept: Kept = NOTHING) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.weights = weights
        self.kept = kept
        self._helper = require("onnx.helper")
        self._numpy_helper = require("onnx.numpy_helper")

    def constant(self, name: str, value: np.ndarray) -> str:
        """A stored array under its own name."""
        self.constants[name] = self._numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def whole(self, *values: int) -> str:
        """A small vector of int64, shared by all that need the same one."""
        name = "int64_" + "_".join(map(str, values)).replace("-", "minus")
        return self.constant(name, np.asarray(values, np.int64))

    def real(self, value: float) -> str:
        """A float32 scalar, shared likewise."""
        return self.constant(f"float32_{value!r}", np.asarray(value, np.float32))

    def weight(self, name: str, value: Any) -> str:
        """A float32 array of the model, stored in as many bits as `weights` says.

        Asked for again, it is the one that is stored already.
        """
        array = np.asarray(value, np.float32)
        stored = "float16" if self.weights == "float16" else self.kept.get(name, "float32")
        if stored == "float32" or array.ndim < 2:
            return self.constant(name, array)
        if name in self.constants:
            return f"{name}/wide"
        if stored == "int8":
            return self._widened(name, array)
        with np.errstate(over="ignore"):
            narrow = array.astype(np.float16)
        if not np.isfinite(narrow).all():
            raise UserError(f"{name} does not fit float16; export it with --quantize=none or int8")
        return self.node("Cast", self.constant(name, narrow), name=f"{name}/wide", to=1)

    def _widened(self, name: str, array: np.ndarray) -> str:
        """A kernel [in, out] stored in int8 with a scale for each column, as float32."""
        numbers, scales = quantised_rows(array.T, LARGEST)
        narrow = self.constant(name, numbers.T)
        whole = self.node("Cast", narrow, name=f"{name}/float32", to=1)
        return self.node("Mul", whole, self.constant(f"{name}/scales", scales), name=f"{name}/wide")

    def node(self, operator: str, *inputs: str, name: str, **attributes: Any) -> str:
        """A node with one output, which bears the node's name."""
        self.nodes.append(
            self._helper.make_node(operator, list(inputs), [name], name=name, **attributes)
        )
        return name

    def split(self, value: str, names: Sequence[str], *, axis: int) -> Sequence[str]:
        """Equal parts along an axis."""
        self.nodes.append(
            self._helper.make_node(
                "Split",
                [value],
                list(names),
                name=f"{names[0]}/split",
                axis=axis,
                num_outputs=len(names),
            )
        )
        return names

    def quantise(self, value: str, names: Sequence[str]) -> None:
        """The value as uint8, its scale and its zero point, under these three names."""
        self.nodes.append(
            self._helper.make_node(
                "DynamicQuantizeLinear", [value], list(names), name=f"{names[0]}/quantise"
            )
        )

    def dense(self, value: str, params: Any, name: str, *, shared: str = "") -> str:
        """The value times a kernel [in, out], plus a bias if there is one.

        The weights are stored under the name, or under one that several maps have `shared`.
        """
        stored = shared or name
        kernel = self.weight(f"{stored}/kernel", params["kernel"])
        if "bias" not in params:
            return self.node("MatMul", value, kernel, name=name)
        product = self.node("MatMul", value, kernel, name=f"{name}/product")
        bias = self.weight(f"{stored}/bias", params["bias"])
        return self.node("Add", product, bias, name=name)

    def norm(self, value: str, params: Any, name: str, epsilon: float) -> str:
        """LayerNorm over the last axis, with or without a bias."""
        affine = [
            self.weight(f"{name}/{part}", params[part])
            for part in ("scale", "bias")
            if part in params
        ]
        return self.node("LayerNormalization", value, *affine, name=name, axis=-1, epsilon=epsilon)

    def activation(self, value: str, kind: str, name: str) -> str:
        """The function that `distil_jax.models.activation` calls `kind`."""
        if kind in ("silu", "swish"):
            gate = self.node("Sigmoid", value, name=f"{name}/gate")
            return self.node("Mul", value, gate, name=name)
        operator, attributes = ACTIVATIONS[kind]
        return self.node(operator, value, name=name, **attributes)


ACTIVATIONS: dict[str, tuple[str, dict[str, str]]] = {
    "gelu": ("Gelu", {"approximate": "none"}),
    "gelu_python": ("Gelu", {"approximate": "none"}),
    "gelu_new": ("Gelu", {"approximate": "tanh"}),
    "gelu_fast": ("Gelu", {"approximate": "tanh"}),
    "gelu_pytorch_tanh": ("Gelu", {"approximate": "tanh"}),
    "relu": ("Relu", {}),
    "tanh": ("Tanh", {}),
}
