"""The text of a compiled program, parsed: computations, instructions, and how often each runs."""

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
LITERAL = ("constant", "parameter")
COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\) -> .*\{$")
INSTRUCTION = re.compile(r"^\s*(ROOT )?%?([\w.\-]+) = (.*)$")
ARRAY = re.compile(r"\b([a-z]\w*)\[([\d,]*)\](?:\{([^}]*)\})?")
CALLED = re.compile(
    r"\b(?:calls|to_apply|body|condition|called_computations|branch_computations)="
    r"(\{[^}]*\}|%?[\w.\-]+)"
)


@dataclass(frozen=True)
class ArrayShape:
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
    result: tuple[ArrayShape, ...]
    operands: tuple[str, ...]
    attributes: str
    is_root: bool

    @cached_property
    def called(self) -> tuple[str, ...]:
        return tuple(name for _, name in self.calls)

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
            int(bound.group())
            for instruction in self._reached(condition)
            if instruction.operation == "constant"
            and (bound := re.fullmatch(r"\d+", instruction.attributes))
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
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if not depth:
            return position
    return len(text)


def _names(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"%([\w.\-]+)", text))


def _shapes(text: str) -> tuple[ArrayShape, ...]:
    return tuple(
        ArrayShape(dtype, tuple(int(size) for size in sizes.split(",") if size), "S(" in layout)
        for dtype, sizes, layout in ARRAY.findall(text)
        if dtype in BYTES
    )
