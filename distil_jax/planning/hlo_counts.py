"""Counts over a compiled program: matmul FLOPs, collectives and arrays.

The compiler's own cost analysis counts the body of a loop once; here it counts as often as it runs.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from distil_jax.planning.hlo import ArrayShape, Instruction, Program

COLLECTIVES = (
    "all-reduce",
    "all-gather",
    "reduce-scatter",
    "all-to-all",
    "collective-permute",
    "collective-broadcast",
)
BETWEEN_SLICES = "between-slices"
"""How a transfer to the other slices is called here; the compiler leaves it to the host."""

MEGASCALE = "xla_megascale_runtime"
LABELS = re.compile(r"dim_labels=(\w+)_(\w+)->(\w+)")


@dataclass(frozen=True)
class Collective:
    """One collective: `bytes` of its result on a device, and how often a step runs it."""

    operation: str
    bytes: int
    times: int
    in_loop: bool


def matmul_flops(program: Program) -> float:
    """Floating-point operations of all matmuls, loops counted by their turns."""
    total = 0.0
    for name, instructions in program.computations.items():
        times = program.times[name]
        if not times:
            continue
        shapes = {instruction.name: instruction.result for instruction in instructions}
        total += times * sum(_flops(instruction, shapes) for instruction in instructions)
    return total


def collectives(program: Program) -> tuple[Collective, ...]:
    """All collectives that run, the halves of an asynchronous one counted as one."""
    running = []
    for name, instructions in program.computations.items():
        for instruction in instructions:
            operation = instruction.operation.removesuffix("-start")
            if MEGASCALE in instruction.attributes and operation == "send":
                operation = BETWEEN_SLICES
            if operation in (*COLLECTIVES, BETWEEN_SLICES) and program.times[name]:
                size = sum(shape.bytes for shape in _reduced(instruction))
                inside = name in program.in_loops
                running.append(Collective(operation, size, program.times[name], inside))
    return tuple(running)


def arrays(program: Program) -> Iterator[ArrayShape]:
    """The results of all instructions, those inside fusions too."""
    for instructions in program.computations.values():
        for instruction in instructions:
            yield from instruction.result


def _reduced(instruction: Instruction) -> tuple[ArrayShape, ...]:
    """An asynchronous start of anything but an all-reduce returns its operands as well."""
    result = instruction.result
    if instruction.operation in ("all-gather-start", "collective-permute-start"):
        return result[len(instruction.operands) : 2 * len(instruction.operands)]
    return result[:1] if instruction.operation == "send" else result


def _flops(instruction: Instruction, shapes: Mapping[str, tuple[ArrayShape, ...]]) -> float:
    if instruction.operation == "dot":
        return _dot_flops(instruction, shapes[instruction.operands[0]][0])
    if instruction.operation == "convolution":
        left, right = (shapes[name][0] for name in instruction.operands[:2])
        return _convolution_flops(instruction, left, right)
    return 0.0


def _dot_flops(instruction: Instruction, left: ArrayShape) -> float:
    contracted = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", instruction.attributes)
    axes = contracted.group(1).split(",") if contracted else []
    depth = math.prod(left.dimensions[int(axis)] for axis in axes if axis)
    return 2.0 * instruction.result[0].elements * depth


def _convolution_flops(instruction: Instruction, left: ArrayShape, right: ArrayShape) -> float:
    """The TPU compiler writes matmuls as convolutions, batched ones with dilated windows.

    Counted as XLA's own analysis does: per spatial dimension the pairs of positions in output and
    window that fall on an input element.
    """
    labels = LABELS.search(instruction.attributes)
    assert labels is not None, instruction.name
    left_labels, right_labels, out_labels = labels.groups()
    result = instruction.result[0].dimensions
    flops = 2.0 * right.dimensions[right_labels.index("i")]
    flops *= result[out_labels.index("f")] * result[out_labels.index("b")]
    flops /= _number(instruction.attributes, "batch_group_count", 1)
    window = _window(instruction.attributes)
    for axis, label in enumerate(sorted(set(out_labels) - {"b", "f"})):
        flops *= _valid_pairs(
            left.dimensions[left_labels.index(label)],
            right.dimensions[right_labels.index(label)],
            result[out_labels.index(label)],
            {key: values[axis] for key, values in window.items() if axis < len(values)},
        )
    return flops


def _number(text: str, key: str, default: int) -> int:
    match = re.search(rf"{key}=(\d+)", text)
    return int(match.group(1)) if match else default


def _window(attributes: str) -> dict[str, list[str]]:
    match = re.search(r"window=\{([^}]*)\}", attributes)
    pairs = (item.split("=") for item in (match.group(1).split() if match else []))
    return {key: value.split("x") for key, value in pairs}


def _valid_pairs(inputs: int, window: int, outputs: int, spec: Mapping[str, str]) -> int:
    stride, low = int(spec.get("stride", 1)), int(spec.get("pad", "0_0").split("_")[0])
    base, dilation = int(spec.get("lhs_dilate", 1)), int(spec.get("rhs_dilate", 1))
    pairs = 0
    for output in range(outputs):
        for offset in range(window):
            at = output * stride + offset * dilation - low
            pairs += at >= 0 and at % base == 0 and at // base < inputs
    return pairs
