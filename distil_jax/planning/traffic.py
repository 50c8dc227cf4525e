"""Bytes that a compiled program moves between memory and the chip, from its text."""

from collections.abc import Iterator, Mapping, Sequence

from distil_jax.planning.hlo import Instruction, Program

FREE = frozenset(
    (
        "parameter",
        "constant",
        "tuple",
        "get-tuple-element",
        "bitcast",
        "while",
        "conditional",
        "call",
        "after-all",
        "iota",
        "partition-id",
        "copy-done",
        "all-gather-done",
        "all-reduce-done",
        "collective-permute-done",
        "recv-done",
        "send-done",
        "slice-done",
        "async-done",
        "opt-barrier",
    )
)
"""Operations that move nothing themselves, or whose start was counted."""

ALIASING = ("all-gather-start", "collective-permute-start", "copy-start")
"""Their results are the operands again, which nothing writes, and where it all goes to."""

SLICES = ("dynamic-slice", "slice", "gather")

HANDING_ON = ("bitcast", "copy")
"""Inside a fusion; a copy there is another layout in which its user's entries are read."""

FETCHED_PART = "slice-start"
"""Its results are the operand again, the part of it that goes elsewhere, and a signal."""


def memory_bytes(program: Program) -> float:
    """Bytes read and written by all fusions and other operations, each loop as often as it runs.

    An upper estimate: an array that the compiler keeps on the chip (memory space above 0) counts
    nothing, a sliced instruction its slice, and everything else is read once by each that uses it.
    """
    return 0.0 + sum(sum(moved.values()) for _, moved in moved_by_computation(program))


def moved_by_computation(
    program: Program,
) -> Iterator[tuple[Sequence[Instruction], dict[str, float]]]:
    """Each computation that is no fusion's, and the bytes of its instructions by their names.

    They are those of one call of the program.
    """
    fused = {
        name
        for instructions in program.computations.values()
        for instruction in instructions
        if instruction.operation not in ("while", "conditional", "call")
        for name in instruction.called
    }
    for name, instructions in program.computations.items():
        if name not in fused and (times := program.times[name]):
            yield (
                instructions,
                {each.name: times * _moved(program, each, instructions) for each in instructions},
            )


def _moved(program: Program, instruction: Instruction, computation: Sequence[Instruction]) -> float:
    if instruction.operation in FREE or instruction.operation.startswith("async"):
        return 0.0
    if instruction.operation == FETCHED_PART:
        source, part, *_ = instruction.result
        return float(part.bytes * (2 - source.on_chip - part.on_chip))
    results = {instruction.name: instruction for instruction in computation}
    body = _body(program, instruction)
    read = sum(
        _read(program, results[name], position, body)
        for position, name in enumerate(instruction.operands)
        if name in results and instruction.operation not in SLICES
    )
    operands = 0.0 + sum(
        _off_chip(results[name]) for name in instruction.operands if name in results
    )
    written = _written(instruction, body, operands)
    return float(read + (2 * written if instruction.operation in SLICES else written))


def _body(program: Program, instruction: Instruction) -> Sequence[Instruction]:
    if instruction.operation != "fusion":
        return ()
    return program.computations.get(instruction.called[0], ())


def _read(
    program: Program, operand: Instruction, position: int, body: Sequence[Instruction]
) -> float:
    """The operand's bytes, or those of its slices where a fusion reads nothing else of it."""
    whole = _off_chip(operand)
    users = list(_users_of_parameter(program, position, body))
    if users and all(_touches_a_part(user, name) for user, name in users):
        parts = sum(
            shape.bytes for user, _ in users for shape in user.result if user.operation in SLICES
        )
        return float(min(whole, parts))
    return whole


def _users_of_parameter(
    program: Program, position: int, body: Sequence[Instruction]
) -> Iterator[tuple[Instruction, str]]:
    for instruction in body:
        if instruction.operation == "parameter" and instruction.attributes == str(position):
            yield from _users(program, instruction.name, body)


def _users(
    program: Program, name: str, body: Sequence[Instruction]
) -> Iterator[tuple[Instruction, str]]:
    """Who uses an array, and by which name: what only hands it on is looked through."""
    for instruction in body:
        if name not in instruction.operands:
            continue
        if instruction.operation in HANDING_ON:
            yield from _users(program, instruction.name, body)
        elif inner := _body(program, instruction):
            for position, operand in enumerate(instruction.operands):
                if operand == name:
                    yield from _users_of_parameter(program, position, inner)
            if all(one.operation in ("parameter", *HANDING_ON) for one in inner):
                yield from _users(program, instruction.name, body)
        else:
            yield instruction, name


def _touches_a_part(user: Instruction, name: str) -> bool:
    """A slice of the array, or an update of a part of it in place."""
    if user.operation in SLICES:
        return True
    return user.operation == "dynamic-update-slice" and user.operands[0] == name


def _written(instruction: Instruction, body: Sequence[Instruction], operands: float) -> float:
    """The result's bytes; of an update in place, those of the update."""
    by_name = {inner.name: inner for inner in body}
    root = next((inner for inner in body if inner.is_root), instruction)
    if root.operation in ALIASING:
        return _off_chip(instruction) - operands
    if root.operation != "tuple":
        return _result(root, by_name, _off_chip(instruction))
    sizes = [0.0 if shape.on_chip else float(shape.bytes) for shape in instruction.result]
    return sum(
        _result(by_name[name], by_name, size) if name in by_name else size
        for name, size in zip(root.operands, sizes, strict=True)
    )


def _result(root: Instruction, by_name: Mapping[str, Instruction], whole: float) -> float:
    while root.operation == "bitcast" and root.operands[0] in by_name:
        root = by_name[root.operands[0]]
    if root.operation != "dynamic-update-slice" or root.operands[1] not in by_name:
        return whole
    return float(min(whole, sum(shape.bytes for shape in by_name[root.operands[1]].result)))


def _off_chip(instruction: Instruction) -> float:
    return float(sum(shape.bytes for shape in instruction.result if not shape.on_chip))
