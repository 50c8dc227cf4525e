"""The largest micro-batch that fits, searched by compiling."""

from collections.abc import Callable

from distil_jax.sizing.measure import Measured

Compile = Callable[[int], Measured]


def largest(device_rows: int, known: dict[int, Measured], compile_at: Compile, room: float) -> int:
    """The most rows at one time whose program fits, of those that divide `device_rows`; 0: none.

    `known` holds what was compiled already and takes up what is compiled here. Memory grows with
    the rows along a line, so that a few programs settle it: the guess is the largest that the line
    through the known ones lets into `room` bytes; it is compiled, and so is the next larger one
    unless the line is more than a tenth above the room there.
    """
    divisors = [rows for rows in range(1, device_rows + 1) if device_rows % rows == 0]

    def fits(rows: int) -> bool:
        if rows not in known:
            known[rows] = compile_at(rows)
        return known[rows].fits

    best = 0
    while True:
        failed = [rows for rows, measured in known.items() if not measured.fits]
        best = max((rows for rows, measured in known.items() if measured.fits), default=0)
        open_ones = [
            rows for rows in divisors if best < rows < min(failed, default=device_rows + 1)
        ]
        promising = [rows for rows in open_ones if _line(known, rows) <= room]
        if promising:
            fits(promising[-1])
        elif open_ones and _line(known, open_ones[0]) <= 1.1 * room:
            fits(open_ones[0])
        elif not best and open_ones:
            fits(open_ones[0])
            if not known[open_ones[0]].fits:
                return 0
        else:
            return best


def _line(known: dict[int, Measured], rows: int) -> float:
    """Bytes expected at `rows`: through the two nearest fitting programs, or one and its fixed."""
    points = sorted((r, m.memory.total) for r, m in known.items() if m.fits)
    if not points:
        points = sorted((r, m.memory.total) for r, m in known.items())
    if not points:
        return 0.0
    if len(points) == 1:
        at, total = points[0]
        fixed = known[at].memory.fixed
        return fixed + (total - fixed) * rows / at
    (first, low), (second, high) = points[-2:]
    return high + (high - low) / (second - first) * (rows - second)
