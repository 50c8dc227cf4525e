"""Which layers of the teacher a student starts from."""

from collections.abc import Callable, Sequence

from distil_jax.errors import UserError

ORIGINAL = (0, 2, 4, 7, 9, 11)
WITHOUT_MARKS = str.maketrans("", "", "()[], ")


def choose_layers(
    teacher_layers: int, rule: str | Sequence[int], count: int | None = None
) -> tuple[int, ...]:
    """Teacher layers by rule, or an explicit list of them, in order; 0 or None counts take half.

    "every_other": 0, 2, 4, ...; "evenly_spaced": the first, the last and equal steps between them,
    for any depths; "original": 0, 2, 4, 7, 9, 11 of twelve (the released DistilBERT); "first" and
    "last". As text, as in config.student.layers, "3" are so many evenly spaced ones, and "0,3,5" a
    list. Raises `UserError` for a rule that cannot give that many layers.
    """
    if not isinstance(rule, str):
        return _explicit(teacher_layers, rule, count)
    rule = rule.strip()
    if rule.translate(WITHOUT_MARKS).isdecimal():
        return _listed(teacher_layers, rule, count)
    if rule not in RULES:
        raise UserError(
            f"layer rule {rule!r} is unknown; use one of {', '.join(RULES)}, how many layers there "
            "are to be, as 4, or which ones, as 0,3,5"
        )
    wanted = count or max(1, teacher_layers // 2)
    chosen = RULES[rule](teacher_layers, wanted) if 0 < wanted <= teacher_layers else ()
    if len(chosen) != wanted or max(chosen) >= teacher_layers:
        raise UserError(
            f"layer rule {rule!r} cannot take {wanted} layers of a {teacher_layers}-layer teacher; "
            f"use every_other or evenly_spaced, and a count between 1 and {teacher_layers}"
        )
    return chosen


def _listed(teacher_layers: int, text: str, count: int | None) -> tuple[int, ...]:
    """Layers in numbers: their list, or how many."""
    parts = text.strip("()[]").strip().rstrip(",").split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise UserError(f"{text!r} is no list of layers; write one as 0,2,4")
    numbers = [int(part) for part in parts]
    if "," in text or text[0] in "([":
        return _explicit(teacher_layers, numbers, count)
    if not numbers[0]:
        raise UserError(
            "a student of 0 layers is none; give 1 or more, or '0,' for the layer 0 alone"
        )
    return choose_layers(teacher_layers, "evenly_spaced", numbers[0])


def _explicit(teacher_layers: int, layers: Sequence[int], count: int | None) -> tuple[int, ...]:
    chosen = tuple(int(layer) for layer in layers)
    if not chosen or any(not 0 <= layer < teacher_layers for layer in chosen):
        raise UserError(
            f"layers {list(chosen)} are not layers of a {teacher_layers}-layer teacher; "
            f"list numbers between 0 and {teacher_layers - 1}"
        )
    if count and count != len(chosen):
        raise UserError(
            f"layers {list(chosen)} are {len(chosen)}, but the student is to have {count}; "
            "change one of the two"
        )
    return chosen


def _every_other(teacher_layers: int, count: int) -> tuple[int, ...]:
    return tuple(range(0, teacher_layers, 2))[:count]


def _evenly_spaced(teacher_layers: int, count: int) -> tuple[int, ...]:
    """Round i (teacher_layers - 1) / (count - 1), in integers."""
    last, steps = teacher_layers - 1, max(count - 1, 1)
    return tuple((2 * index * last + steps) // (2 * steps) for index in range(count))


def _original(teacher_layers: int, count: int) -> tuple[int, ...]:
    return ORIGINAL if (teacher_layers, count) == (12, 6) else ()


def _first(_: int, count: int) -> tuple[int, ...]:
    return tuple(range(count))


def _last(teacher_layers: int, count: int) -> tuple[int, ...]:
    return tuple(range(teacher_layers - count, teacher_layers))


RULES: dict[str, Callable[[int, int], tuple[int, ...]]] = {
    "every_other": _every_other,
    "evenly_spaced": _evenly_spaced,
    "original": _original,
    "first": _first,
    "last": _last,
}
