"""Numbers as a reader wants them."""

import math


def count(value: float | int) -> str:
    """1234567 as 1,234,567."""
    return f"{value:,.0f}" if math.isfinite(value) else "-"


def counted(value: float | int, noun: str) -> str:
    """1 step, 1,200 steps."""
    return f"{count(value)} {noun}" if value == 1 else f"{count(value)} {noun}s"


def short(value: float | int) -> str:
    """Three digits and a unit: 66.4 M, 8.3 B."""
    for size, unit in ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= 0.9995 * size:  # what would be rounded up to it counts as it
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g}"


def decimal(value: float | int | None, digits: int) -> str:
    """A fixed number of decimals; a dash for what is not there or not finite."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def percent(share: float | int | None, digits: int = 1) -> str:
    """0.5 as 50.0%."""
    return "-" if share is None or not math.isfinite(share) else f"{share:.{digits}%}"


def signed(value: float | int | None, digits: int) -> str:
    """With its sign, and a real minus."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def anything(value: object) -> str:
    """A setting or a fact of unknown kind."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no"}.get(value, "-")  # type: ignore[arg-type]
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(anything, value))
    if isinstance(value, dict):
        return "; ".join(f"{name} {anything(inner)}" for name, inner in value.items())
    return str(value)
