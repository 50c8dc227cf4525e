"""Counting in the text of a compiled program: products, collectives and arrays.

The compiler's own cost analysis counts the body of a loop once; here it counts as often as it runs.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

BYTES = {
    **dict.fromkeys(("pred", "s8", "u8", "f8e4m3fn", "f8e5m2"), 1),
    **dict.fromkeys(("s16", "u16", "f16", "bf16"), 2),
    **dict.fromkeys(("s32", "u32", "f32"), 4),
    **dict.fromkeys(("s64", "u64", "f64", "c64"), 8),
}
COLLECTIVES = (
    "all-reduce",
    "all-gather",
    "reduce-scatter",
    "all-to-all",
    "collective-permute",
    "collective-broadcast",
)
BETWEEN_SLICES = "between-slices"
"""How a transfer to the other slices is called here; the compiler hands it to the host."""

MEGASCALE = "xla_megascale_runtime"
LITERAL = ("constant", "parameter")
COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\) -> .*\{$")
INSTRUCTION = re.compile(r"^\s*(ROOT )?%?([\w.\-]+) = (.*)$")
ARRAY = re.compile(r"\b([a-z]\w*)\[([\d,]*)\](?:\{([^}]*)\})?")
CALLED = re.compile(
    r"\b(?:calls|to_apply|body|condition|called_computations|branch_computations)="
    r"(\{[^}]*\}|%?[\w.\-]+)"
)
LABELS = re.compile(r"dim_labels=(\w+)_(\w+)->(\w+)")


@dataclass(frozen=True)
class Shape:
    """One array's element type and dimensions; `on_chip` where it never reaches main memory."""

    dtype: str
    dimensions: tuple[int, ...]
    on_chip: bool = False

    @property
    def elements(self) -> int:
        return math.prod(self.dimensions)

    @property
    def bytes(self) -> int:
        return self.elements * BYTES.get(self.dtype, 4)


@dataclass(frozen=True)
class Instruction:
    """One line: `result` has several arrays where it is a tuple."""

    name: str
    operation: str
    result: tuple[Shape, ...]
    operands: tuple[str, ...]
    attributes: str
    is_root: bool

    @cached_property
    def called(self) -> tuple[str, ...]:
        found = [name for _, name in self.calls]
        return tuple(found)

    @cached_property
    def calls(self) -> tuple[tuple[str, str], ...]:
        """(role, computation) of all computations this one runs."""
        pairs = []
        for match in CALLED.finditer(self.attributes):
            role = match.group(0).partition("=")[0]
            names = match.group(1).strip("{}").split(",")
            pairs += [(role, name.strip().lstrip("%")) for name in names if name.strip()]
        return tuple(pairs)


@dataclass(frozen=True)
class Collective:
    """One collective: `bytes` of its result on a device, and how often a step runs it."""

    operation: str
    bytes: int
    times: int
    in_loop: bool


@dataclass(frozen=True)
class Program:
    """A compiled program's computations by name."""

    computations: Mapping[str, tuple[Instruction, ...]]
    entry: str

    @cached_property
    def times(self) -> dict[str, int]:
        """How often each computation runs in one call of the program."""
        counts = dict.fromkeys(self.computations, 0)
        for name, count, _ in self._visits():
            counts[name] += count
        return counts

    @cached_property
    def in_loops(self) -> frozenset[str]:
        """The computations that run inside a loop, however often it turns."""
        return frozenset(name for name, _, inside in self._visits() if inside)

    def _visits(self) -> Iterator[tuple[str, int, bool]]:
        waiting = [(self.entry, 1, False)]
        while waiting:
            name, count, inside = waiting.pop()
            yield name, count, inside
            for instruction in self.computations[name]:
                turns = self.trip_count(instruction) if instruction.operation == "while" else 1
                loops = inside or instruction.operation == "while"
                waiting += [
                    (called, count * turns, loops)
                    for called in instruction.called
                    if called in self.computations
                ]

    def trip_count(self, loop: Instruction) -> int:
        """How often a `while` turns: as the compiler notes it, else its condition's bound.

        Raises `ValueError` for a loop whose bound is not a constant.
        """
        noted = re.search(r'known_trip_count[":{ ]+n"?[: ]+"?(\d+)', loop.attributes)
        if noted:
            return int(noted.group(1))
        condition = next(name for role, name in loop.calls if role == "condition")
        bounds = [
            int(found.group())
            for instruction in self._reached(condition)
            if instruction.operation == "constant"
            and (found := re.fullmatch(r"\d+", instruction.attributes))
        ]
        if len(set(bounds)) != 1:
            raise ValueError(f"the loop {loop.name} has no constant bound: {bounds}")
        return bounds[0]

    def _reached(self, name: str) -> Iterator[Instruction]:
        for instruction in self.computations[name]:
            yield instruction
            for called in instruction.called:
                yield from self._reached(called)


def parse(text: str) -> Program:
    """The program of `jax.stages.Compiled.as_text()`; raises `ValueError` for other text."""
    computations: dict[str, tuple[Instruction, ...]] = {}
    entry, name, lines = "", "", list[Instruction]()
    for line in text.splitlines():
        header = COMPUTATION.match(line)
        if header:
            name, lines = header.group(2), []
            entry = name if header.group(1) else entry
        elif line.startswith("}"):
            computations[name] = tuple(lines)
        elif name and (instruction := _instruction(line)):
            lines.append(instruction)
    if not entry:
        raise ValueError("this text is not an HLO module: it has no ENTRY computation")
    return Program(computations, entry)


def product_flops(program: Program) -> float:
    """Floating-point operations of all matrix products, loops counted by their turns."""
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
    found = []
    for name, instructions in program.computations.items():
        for instruction in instructions:
            operation = instruction.operation.removesuffix("-start")
            if MEGASCALE in instruction.attributes and operation == "send":
                operation = BETWEEN_SLICES
            if operation in (*COLLECTIVES, BETWEEN_SLICES) and program.times[name]:
                size = sum(shape.bytes for shape in _reduced(instruction))
                inside = name in program.in_loops
                found.append(Collective(operation, size, program.times[name], inside))
    return tuple(found)


def arrays(program: Program) -> Iterator[Shape]:
    """The results of all instructions, those inside fusions too."""
    for instructions in program.computations.values():
        for instruction in instructions:
            yield from instruction.result


def _reduced(instruction: Instruction) -> tuple[Shape, ...]:
    """An asynchronous start of anything but an all-reduce returns its operands as well."""
    result = instruction.result
    if instruction.operation in ("all-gather-start", "collective-permute-start"):
        return result[len(instruction.operands) : 2 * len(instruction.operands)]
    return result[:1] if instruction.operation == "send" else result


def _instruction(line: str) -> Instruction | None:
    match = INSTRUCTION.match(line)
    if not match:
        return None
    root, name, rest = match.groups()
    result, rest = _split_type(rest)
    operation, _, rest = rest.partition("(")
    end = _closing(rest)
    operands = _names(rest[:end])
    # A literal, or a parameter's number, stands where others have operands.
    attributes = rest[:end] if operation in LITERAL else rest[end + 1 :]
    return Instruction(name, operation, _shapes(result), operands, attributes, bool(root))


def _split_type(text: str) -> tuple[str, str]:
    """`f32[2]{0} add(...)` to its type and the rest; a tuple's type stands in parentheses."""
    if text.startswith("("):
        end = _closing(text[1:]) + 2
        return text[:end], text[end:].lstrip()
    kind, _, rest = text.partition(" ")
    return kind, rest


def _closing(text: str) -> int:
    """Where the parenthesis that is open at the start closes."""
    depth = 1
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if not depth:
            return place
    return len(text)


def _names(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"%([\w.\-]+)", text))


def _shapes(text: str) -> tuple[Shape, ...]:
    return tuple(
        Shape(dtype, tuple(int(size) for size in sizes.split(",") if size), "S(" in layout)
        for dtype, sizes, layout in ARRAY.findall(text)
        if dtype in BYTES
    )


def _flops(instruction: Instruction, shapes: Mapping[str, tuple[Shape, ...]]) -> float:
    if instruction.operation == "dot":
        return _dot_flops(instruction, shapes[instruction.operands[0]][0])
    if instruction.operation == "convolution":
        left, right = (shapes[name][0] for name in instruction.operands[:2])
        return _convolution_flops(instruction, left, right)
    return 0.0


def _dot_flops(instruction: Instruction, left: Shape) -> float:
    contracted = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", instruction.attributes)
    places = contracted.group(1).split(",") if contracted else []
    depth = math.prod(left.dimensions[int(place)] for place in places if place)
    return 2.0 * instruction.result[0].elements * depth


def _convolution_flops(instruction: Instruction, left: Shape, right: Shape) -> float:
    """The TPU compiler writes products as convolutions, batched ones with dilated windows.

    Counted as XLA's own analysis does: per spatial dimension the pairs of output place and window
    place that fall on an input element.
    """
    labels = LABELS.search(instruction.attributes)
    assert labels is not None, instruction.name
    left_labels, right_labels, out_labels = labels.groups()
    result = instruction.result[0].dimensions
    flops = 2.0 * right.dimensions[right_labels.index("i")]
    flops *= result[out_labels.index("f")] * result[out_labels.index("b")]
    flops /= _number(instruction.attributes, "batch_group_count", 1)
    window = _window(instruction.attributes)
    for place, label in enumerate(sorted(set(out_labels) - {"b", "f"})):
        flops *= _valid_pairs(
            left.dimensions[left_labels.index(label)],
            right.dimensions[right_labels.index(label)],
            result[out_labels.index(label)],
            {key: values[place] for key, values in window.items() if place < len(values)},
        )
    return flops


def _number(text: str, key: str, default: int) -> int:
    found = re.search(rf"{key}=(\d+)", text)
    return int(found.group(1)) if found else default


def _window(attributes: str) -> dict[str, list[str]]:
    found = re.search(r"window=\{([^}]*)\}", attributes)
    pairs = (item.split("=") for item in (found.group(1).split() if found else []))
    return {key: value.split("x") for key, value in pairs}


def _valid_pairs(inputs: int, window: int, outputs: int, spec: Mapping[str, str]) -> int:
    stride, low = int(spec.get("stride", 1)), int(spec.get("pad", "0_0").split("_")[0])
    base, dilation = int(spec.get("lhs_dilate", 1)), int(spec.get("rhs_dilate", 1))
    pairs = 0
    for output in range(outputs):
        for place in range(window):
            at = output * stride + place * dilation - low
            pairs += at >= 0 and at % base == 0 and at // base < inputs
    return pairs
