"""The largest micro-batch that fits, searched by compiling."""

from collections.abc import Callable

from distil_jax.planning.measure import Measured

Compile = Callable[[int], Measured]

SURE = 1.1
"""Beyond this share of the memory nothing is compiled any more to see whether it fits after all."""


def largest(
    device_rows: int, known: dict[int, Measured], compile_at: Compile, hbm_bytes: float
) -> int:
    """The most rows at one time whose program fits, of those that divide `device_rows`; 0: none.

    `known` holds what was compiled already and takes up what is compiled here. Memory grows with
    the rows along a line, so that a few programs settle it: the largest that the line lets into
    `hbm_bytes` is compiled, and the next one unless the line is far above them there.
    """
    divisors = [rows for rows in range(1, device_rows + 1) if device_rows % rows == 0]
    while True:
        fitting = [rows for rows, measured in known.items() if measured.fits]
        failed = [rows for rows, measured in known.items() if not measured.fits]
        least, most = max(fitting, default=0), min(failed, default=device_rows + 1)
        between = [rows for rows in divisors if least < rows < most]
        if not between:
            return least
        guess = _guess(known, between, hbm_bytes)
        if guess is None:
            return least
        known[guess] = compile_at(guess)


def _guess(known: dict[int, Measured], between: list[int], hbm_bytes: float) -> int | None:
    """What to compile next, the largest that should fit first; None: none of them will."""
    points = sorted(
        (rows, measured.memory.total) for rows, measured in known.items() if measured.fits
    )
    if not points:
        return between[0]
    rows, total = points[-1]
    # One point and what no micro-batch can save make a line that is too steep, never too flat.
    before = points[-2] if len(points) > 1 else (0, known[rows].memory.fixed)
    slope = max(total - before[1], 0.0) / (rows - before[0])
    expected = {more: total + slope * (more - rows) for more in between}
    inside = [more for more in between if expected[more] <= hbm_bytes]
    if inside:
        return inside[-1]
    unsure = len(points) == 1 or expected[between[0]] <= SURE * hbm_bytes
    return between[0] if unsure else None
