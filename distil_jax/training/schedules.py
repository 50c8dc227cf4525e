"""Values that change over a run, written as shares of it."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import optax

from distil_jax.errors import UsageError


def parse(text: str) -> tuple[tuple[float, float], ...]:
    """`SHARE:VALUE, SHARE:VALUE, ...` with shares of the run growing from 0 to 1; empty: none.

    Raises `UsageError` with what is wrong.
    """
    points = tuple(_point(part) for part in text.split(",") if part.strip())
    shares = [share for share, _ in points]
    if any(not 0 <= share <= 1 for share in shares) or np.any(np.diff(shares) <= 0):
        raise UsageError(f"{text!r}: the shares of the run must grow, from 0 to 1 at most")
    if any(not (np.isfinite(value) and value >= 0) for _, value in points):
        raise UsageError(f"{text!r}: values must be finite numbers of at least 0")
    return points


def _point(part: str) -> tuple[float, float]:
    share, colon, value = part.partition(":")
    try:
        return float(share), float(value)
    except ValueError:
        told = "" if colon else " (there is no colon)"
        raise UsageError(
            f"{part.strip()!r}{told} is no SHARE:VALUE pair; write for example 0:4, 0.5:2, 1:1"
        ) from None


def schedule(value: float, text: str, total_steps: int) -> optax.Schedule:
    """Linear between the points of `text`, the first step at share 0 and the last at share 1.

    Without points it is constant `value`.
    """
    points = parse(text)
    if not points:
        return optax.constant_schedule(value)
    shares, values = zip(*points, strict=True)
    steps = np.asarray(shares, np.float32) * max(total_steps - 1, 1)
    return partial(jnp.interp, xp=steps, fp=np.asarray(values, np.float32))
