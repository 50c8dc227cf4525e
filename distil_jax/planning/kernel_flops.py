"""Matmul FLOPs inside of Pallas kernels, which a compiled program's text does not show."""

import math
from collections.abc import Iterator
from typing import Any

MANY = ("branches",)
"""Parameters that hold alternatives, of which one runs: a kernel for each platform."""


def kernel_flops(jaxpr: Any) -> float:
    """FLOPs of the matmuls in all Pallas kernels that a traced program calls.

    What a kernel says of itself counts (`cost_estimate`); else its loops are counted by their
    turns, those whose turns depend on values once. Of alternatives the largest counts.
    """
    return 0.0 + sum(map(_in_equation, _equations(jaxpr)))


def _in_equation(equation: Any) -> float:
    if equation.primitive.name == "pallas_call":
        estimate = equation.params["cost_estimate"]
        if estimate is not None:
            return float(estimate.flops)
        grid = math.prod(int(size) for size in equation.params["grid_mapping"].grid)
        return grid * _matmuls(equation.params["jaxpr"])
    return _times(equation) * _inside(equation, kernel_flops)


def _matmuls(jaxpr: Any) -> float:
    total = 0.0
    for equation in _equations(jaxpr):
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            left = equation.invars[0].aval.shape
            depth = math.prod(left[axis] for axis in contracted)
            total += 2.0 * math.prod(equation.outvars[0].aval.shape) * depth
        total += _times(equation) * _inside(equation, _matmuls)
    return total


def _times(equation: Any) -> int:
    return int(equation.params["length"]) if equation.primitive.name == "scan" else 1


def _inside(equation: Any, count: Any) -> float:
    total = 0.0
    for name, value in equation.params.items():
        counts = [count(jaxpr) for jaxpr in _jaxprs(value)]
        total += max(counts, default=0.0) if name in MANY else sum(counts)
    return total


def _jaxprs(value: Any) -> Iterator[Any]:
    if hasattr(value, "eqns") or hasattr(value, "jaxpr"):
        yield value
    elif isinstance(value, tuple | list):
        for each in value:
            yield from _jaxprs(each)


def _equations(jaxpr: Any) -> list[Any]:
    return list(getattr(jaxpr, "jaxpr", jaxpr).eqns)
