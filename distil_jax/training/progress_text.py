"""The words of a run's progress: losses, rate, time left, and what the run waits for."""

from collections.abc import Iterable, Mapping, Sequence

from distil_jax.configuration.objective_table import titles

Values = Mapping[str, float | int]

NOTABLE_WAIT = 0.05
"""A smaller share of the time spent waiting for rows limits nothing."""
HELD_OUT = "validation_"
SHARES = {"accuracy": "accuracy", "agreement": "agreement with the teacher"}
GAP = "  "


def clock(seconds: float | int) -> str:
    """83 as 1:23, 3783 as 1:03:03, and days once there are any."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def limit(values: Values, before: Values, peak_rate: float | int) -> str:
    """What a run is held up by since the line before, or how near to its chips' peak it is.

    `peak_rate` is the tokens/s of its matmuls alone at that peak; 0: unknown.
    """
    kinds = [f"{kind}_seconds" for kind in ("steps", "input")]
    spent = [values.get(kind, 0.0) - before.get(kind, 0.0) for kind in kinds]
    waited = spent[1] / max(sum(spent), 1e-9)
    if waited >= NOTABLE_WAIT:
        return f"waiting for data {waited:.0%}"
    return f"{values['tokens_per_second'] / peak_rate:.0%} of peak" if peak_rate else ""


def held_out(values: Values) -> str:
    """The held-out figures of a line, the losses first; empty where it has none."""
    names = {HELD_OUT + name: title for name, title in titles().items()}
    terms = [f"{title} {values[key]:.3f}" for key, title in names.items() if key in values]
    shares = [
        f"{title} {values[HELD_OUT + name]:.1%}"
        for name, title in SHARES.items()
        if HELD_OUT + name in values
    ]
    return ", ".join([*terms, *shares])


def fitted(parts: Sequence[str], importance: Iterable[int], width: int) -> str:
    """The parts, in order, that fit a width: the least important are left out first."""
    kept: set[int] = set()
    for place in importance:
        tried = [part for number, part in enumerate(parts) if number in kept | {place} and part]
        if len(GAP.join(tried)) <= width:
            kept.add(place)
    return GAP.join(part for number, part in enumerate(parts) if number in kept and part)
