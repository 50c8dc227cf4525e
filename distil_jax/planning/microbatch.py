"""The largest micro-batch that fits, searched by compiling."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from distil_jax.planning.measure import Measured

Compile = Callable[[int], Measured]

SURE = 1.1
"""Beyond this share of the memory nothing is compiled any more to see whether it fits after all."""


@dataclass(frozen=True)
class Largest:
    """The most rows at one time that fit; 0: none. `compiled`: their program was, else the line."""

    rows: int
    compiled: bool


def largest(
    device_rows: int,
    known: dict[int, Measured],
    compile_at: Compile,
    hbm_bytes: float,
    *,
    group_rows: int = 1,
    enough: Callable[[], bool] = lambda: False,
) -> Largest:
    """The most rows at one time whose program fits, of those that divide `device_rows`.

    They are multiples of `group_rows`.

    `known` holds what was compiled already and takes up what is compiled here. Memory grows with
    the rows along a line, so that a few programs settle it: the largest that the line lets into
    `hbm_bytes` is compiled, and the next one unless the line is far above them there. Once `enough`
    says so, what the line lets in is the answer.
    """
    units = range(group_rows, device_rows + 1, group_rows)
    divisors = [rows for rows in units if device_rows % rows == 0]
    while True:
        fitting = [rows for rows, measured in known.items() if measured.fits]
        failed = [rows for rows, measured in known.items() if not measured.fits]
        least, most = max(fitting, default=0), min(failed, default=device_rows + 1)
        between = [rows for rows in divisors if least < rows < most]
        guess = _guess(known, between, hbm_bytes) if between else None
        if guess is None:
            return Largest(least, True)
        if enough():
            expected = _expected(known, between)
            return Largest(
                max((n for n in between if expected[n] <= hbm_bytes), default=least), False
            )
        known[guess] = compile_at(guess)


def _guess(known: dict[int, Measured], between: list[int], hbm_bytes: float) -> int | None:
    """What to compile next, the largest that should fit first; None: none of them will."""
    fitting = sum(measured.fits for measured in known.values())
    if not fitting:
        return between[0]
    expected = _expected(known, between)
    inside = [more for more in between if expected[more] <= hbm_bytes]
    if inside:
        return inside[-1]
    unsure = fitting == 1 or expected[between[0]] <= SURE * hbm_bytes
    return between[0] if unsure else None


def _expected(known: dict[int, Measured], between: list[int]) -> dict[int, float]:
    """Bytes that so many rows should need, by the line through the two largest that fit.

    One point and what no micro-batch can save make a line that is too steep, never too flat.
    """
    points = sorted(
        (rows, measured.memory.total) for rows, measured in known.items() if measured.fits
    )
    if not points:
        return dict.fromkeys(between, math.inf)
    rows, total = points[-1]
    before = points[-2] if len(points) > 1 else (0, known[rows].memory.fixed)
    slope = max(total - before[1], 0.0) / (rows - before[0])
    return {more: total + slope * (more - rows) for more in between}
