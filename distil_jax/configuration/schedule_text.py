"""How a schedule is written in a config. It imports no JAX: a config is read before that starts."""

import math
from itertools import pairwise

from distil_jax.errors import UsageError


def parse(text: str) -> tuple[tuple[float, float], ...]:
    """`SHARE:VALUE, SHARE:VALUE, ...` with shares of the run growing from 0 to 1; empty: none.

    Raises `UsageError` with what is wrong.
    """
    points = tuple(_point(part) for part in text.split(",") if part.strip())
    shares = [share for share, _ in points]
    if any(not 0 <= share <= 1 for share in shares) or any(b <= a for a, b in pairwise(shares)):
        raise UsageError(f"{text!r}: the shares of the run must grow, from 0 to 1 at most")
    if any(not (math.isfinite(value) and value >= 0) for _, value in points):
        raise UsageError(f"{text!r}: values must be finite numbers of at least 0")
    return points


def _point(part: str) -> tuple[float, float]:
    share, colon, value = part.partition(":")
    try:
        return float(share), float(value)
    except ValueError:
        missing = "" if colon else " (there is no colon)"
        raise UsageError(
            f"{part.strip()!r}{missing} is no SHARE:VALUE pair; write for example 0:4, 0.5:2, 1:1"
        ) from None
