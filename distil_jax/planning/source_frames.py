"""Where each instruction of a compiled program comes from: files and functions, innermost first.

JAX notes the call stack of every operation, and the compiler prints them in four tables at the head
of the program's text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

TABLES = ("FileNames", "FunctionNames", "FileLocations", "StackFrames")
QUOTED = re.compile(r'^(\d+) "(.*)"$')
LOCATION = re.compile(r"^(\d+) \{file_name_id=(\d+) function_name_id=(\d+)")
FRAME = re.compile(r"^(\d+) \{file_location_id=(\d+)(?: parent_frame_id=(\d+))?")
FRAME_OF = re.compile(r"stack_frame_id=(\d+)")


@dataclass(frozen=True)
class Frame:
    """One call: a function in a file."""

    file: str
    function: str


def parse(text: str) -> dict[int, tuple[Frame, ...]]:
    """The call stack of each number that a program's instructions name; empty without tables."""
    tables = _tables(text)
    files = _quoted(tables["FileNames"])
    functions = _quoted(tables["FunctionNames"])
    places = {
        int(match.group(1)): Frame(files.get(match.group(2), ""), functions.get(match.group(3), ""))
        for match in map(LOCATION.match, tables["FileLocations"])
        if match
    }
    frames = {
        int(match.group(1)): (int(match.group(2)), int(match.group(3) or 0))
        for match in map(FRAME.match, tables["StackFrames"])
        if match
    }
    # XLA prints a parent's number plus one, and nothing above it as 1; earlier versions as it is.
    shift = int(any(number == parent for number, (_, parent) in frames.items()))
    return {number: _stack(number, frames, places, shift) for number in frames}


def number_of(attributes: str) -> int:
    """The stack that an instruction names; 0: none."""
    match = FRAME_OF.search(attributes)
    return int(match.group(1)) if match else 0


def _stack(
    number: int,
    frames: Mapping[int, tuple[int, int]],
    places: Mapping[int, Frame],
    shift: int,
) -> tuple[Frame, ...]:
    stack: list[Frame] = []
    while number in frames and len(stack) < len(frames):
        place, parent = frames[number]
        if place in places:
            stack.append(places[place])
        number = parent - shift
    return tuple(stack)


def _tables(text: str) -> dict[str, list[str]]:
    tables: dict[str, list[str]] = {name: [] for name in TABLES}
    lines: list[str] | None = None
    for line in text.splitlines():
        if line in tables:
            lines = tables[line]
        elif line.startswith(("%", "ENTRY")):
            break
        elif lines is not None:
            lines.append(line)
    return tables


def _quoted(lines: list[str]) -> dict[str, str]:
    return {match.group(1): match.group(2) for match in map(QUOTED.match, lines) if match}
