"""A run's health as rows in words: where each figure began, where it is to go, where it is."""

from collections.abc import Iterator, Mapping

from distil_jax.configuration.objective_table import language_loss, titles
from distil_jax.report import amount
from distil_jax.report.runs import Run

GOOD, BAD, OPEN = "✓", "✗", "·"
NOISE = 0.02
"""A figure that has moved by less of its way has stood still."""
SHARES = {"accuracy": "accuracy at masked tokens", "agreement": "same token as the teacher"}
HEAD = ("held-out figure", "in figures", "")

Values = Mapping[str, float | int]


def rows(run: Run) -> list[list[str]]:
    """A row for each objective and share that was measured, then what else tells of health."""
    expected, seen = (run.health.get(name, {}) for name in ("expected", "seen"))
    found = [*_losses(expected, seen), *_shares(expected, seen)]
    return [*found, *_teacher(expected), *_steps(run, seen)]


def _losses(expected: Values, seen: Values) -> Iterator[list[str]]:
    for name, title in _titles(expected).items():
        first, now = expected[f"initial_{name}"], seen.get(f"validation_{name}")
        floor = expected.get(f"{name}_floor")
        goal = None if floor is None else f"{floor:.3g}"
        text = _way(amount.decimal(first, 3), goal, amount.decimal(now, 3))
        yield [title, text, _mark(first, floor, now)]


def _way(first: str, goal: str | None, now: str) -> str:
    towards = "" if goal is None else f" towards {goal}"
    return f"from {first}{towards}, now {now}"


def _titles(expected: Values) -> dict[str, str]:
    names = [name.removeprefix("initial_") for name in expected if name.startswith("initial_")]
    known = titles()
    return {name: known.get(name, name.replace("_", " ")) for name in names if name not in SHARES}


def _shares(expected: Values, seen: Values) -> Iterator[list[str]]:
    for name, title in SHARES.items():
        first, now = expected.get(f"initial_{name}"), seen.get(f"validation_{name}")
        if first is None:
            continue
        goal = 1.0 if name == "agreement" else expected.get("teacher_accuracy")
        towards = None if goal is None else amount.percent(goal, 0 if goal == 1 else 1)
        text = _way(amount.percent(first), towards, amount.percent(now))
        yield [title, text, _mark(-first, None if goal is None else -goal, _negative(now))]


def _negative(value: float | int | None) -> float | int | None:
    return None if value is None else -value


def _mark(first: float | int, goal: float | int | None, now: float | int | None) -> str:
    """How far a falling figure has come, with its sign for those who look for one."""
    if now is None:
        return f"{OPEN} not measured yet"
    if goal is None or first <= goal:
        moved = first - now
        return (
            f"{GOOD} better" if moved > 0 else f"{OPEN} as it was" if not moved else f"{BAD} worse"
        )
    share = (first - now) / (first - goal)
    if share < -NOISE:
        return f"{BAD} worse than at the start"
    if share < NOISE:
        return f"{OPEN} as at the start"
    return f"{GOOD} {min(share, 1.0):.0%} of the way" if share <= 1 else f"{GOOD} beyond"


def _teacher(expected: Values) -> Iterator[list[str]]:
    """Whether the teacher knows the language of the text."""
    bound = expected.get("token_frequency_loss")
    losses = {
        name.removeprefix("teacher_"): value
        for name, value in expected.items()
        if name.startswith("teacher_")
    }
    loss = losses.get(language_loss(losses))
    if bound is not None and loss is not None:
        mark = f"{GOOD} knows this text" if loss <= bound else f"{BAD} is this its tokenizer?"
        yield ["the teacher", f"{loss:.3f}; token frequencies alone give {bound:.3f}", mark]


def _steps(run: Run, seen: Values) -> Iterator[list[str]]:
    """How the gradient and the clock went."""
    clip = run.settings.get("optimizer.clip")
    if "clipped_share" in seen and clip:
        share, norm = amount.percent(seen["clipped_share"], 0), seen.get("gradient_norm", 0.0)
        yield ["gradient", f"norm {norm:.3g} at last; clipped at {clip:g} in {share} of steps", ""]
    if "goodput" in seen:
        yield ["time", f"{amount.percent(seen['goodput'], 0)} of it was spent in steps", ""]
