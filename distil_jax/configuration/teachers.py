"""Several teachers in one key of the config: FOLDER=WEIGHT,FOLDER=WEIGHT."""

import math

from distil_jax.configuration.objective_table import OBJECTIVES
from distil_jax.errors import UsageError


def weighted_teachers(text: str) -> tuple[tuple[str, float], ...]:
    """Folders with their weights, scaled to add to 1; one without a weight has that of 1.

    Raises `UsageError` for a weight that is none, or a folder named twice.
    """
    pairs = [_weighted(part) for part in text.split(",") if part.strip()]
    names = [name for name, _ in pairs]
    if not pairs or len(set(names)) < len(names):
        raise UsageError(
            f"config.teachers={text!r}: name each teacher once, as FOLDER=WEIGHT,FOLDER=WEIGHT"
        )
    total = sum(weight for _, weight in pairs)
    return tuple((name, weight / total) for name, weight in pairs)


def teacher_numbers(text: str, teachers: int) -> dict[str, int]:
    """The teacher's number of each objective that names one; raises `UsageError`."""
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = (piece.strip() for piece in part.partition("="))
        if name not in OBJECTIVES or not OBJECTIVES[name].needs_teacher:
            raise UsageError(
                f"config.teacher_of={text!r}: {name!r} is no objective that compares with a teacher"
            )
        if not number.isdecimal() or int(number) >= teachers:
            raise UsageError(
                f"config.teacher_of={text!r}: {number!r} is no teacher's number; there are "
                f"{teachers}, counted from 0"
            )
        found[name] = int(number)
    return found


def _weighted(part: str) -> tuple[str, float]:
    name, equals, weight = part.strip().rpartition("=")
    if not equals:
        return weight, 1.0
    try:
        value = float(weight)
    except ValueError:
        value = math.nan
    if not (name and 0 < value < math.inf):
        raise UsageError(
            f"config.teachers: {part.strip()!r} is not FOLDER=WEIGHT, a weight above 0"
        )
    return name.strip(), value
