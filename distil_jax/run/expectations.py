"""A run's health: what it should come to, from its baseline, and the file it is written to."""

import json
from pathlib import Path
from typing import Any

from distil_jax.configuration.objective_table import (
    LANGUAGE_LOSSES,
    OBJECTIVES,
    language_loss,
    titles,
)
from distil_jax.configuration.schema import Config
from distil_jax.data.store import token_counts
from distil_jax.objectives import active, measured
from distil_jax.run.model_figures import INITIALISED, TEACHER, Scores
from distil_jax.run.setup import Setup
from distil_jax.storage.atomic import write_text
from distil_jax.training.health import Expectation, Health, token_frequency_loss
from distil_jax.training.metrics_file import read as read_metrics
from distil_jax.training.progress import Display
from distil_jax.training.workdir import Workdir

FILE = "health.json"
SHARES = ("accuracy", "agreement")
KNOWN_OF_TEACHER = (*LANGUAGE_LOSSES, "accuracy")


def watch(setup: Setup, before: Scores, display: Display, *, first_step: int) -> Health:
    """The health of a run after `first_step` steps; says what to expect of it."""
    expected = _expectation(setup, before)
    lines = setup.total_steps // setup.config.log.every_steps
    health = Health(expected, logged_lines=lines)
    display.say(_expectation_text(expected))
    for concern in health.begin():
        display.warn(concern.message)
    for line in read_metrics(setup.folder / "metrics.jsonl"):
        if line["step"] <= first_step:
            health.see(line)
    return health


def write(workdir: Path, health: Health) -> None:
    write_text(workdir / FILE, json.dumps(health.report(), indent=2) + "\n")


def summary(workdir: Workdir) -> str:
    """One line of what health.json says."""
    report: dict[str, Any] = json.loads((workdir.folder / FILE).read_text())
    seen, warnings = report["seen"], report["warnings"]
    text = "no step is on record"  # metrics.jsonl was removed
    if "gradient_norm" in seen:
        clipped = f"{seen['clipped_share']:.0%} of steps clipped"
        text = f"gradient norm {seen['gradient_norm']:.2f}, {clipped}"
    number = f"{len(warnings)} warning{'s' * (len(warnings) != 1)}" if warnings else "no warning"
    return f"health: {text}, {number} ({workdir.join(FILE)})"


def _expectation(setup: Setup, before: Scores) -> Expectation:
    run = setup.spec
    initial, teacher = before[INITIALISED], before.get(TEACHER, {})
    floors = {}
    if teacher or run.masking is None:
        objectives = measured(setup.config.loss) if teacher else active(setup.config.loss)
        known = {one.name: one.floor(teacher) for one in objectives}
        floors = {name: floor for name, floor in known.items() if floor is not None}
    return Expectation(
        floors=floors,
        initial={name: initial[name] for name in (*OBJECTIVES, *SHARES) if name in initial},
        teacher={name: teacher[name] for name in KNOWN_OF_TEACHER if name in teacher},
        token_frequency_loss=None
        if run.masking is None
        else token_frequency_loss(run.masking, token_counts(setup.train_data.folder)),
        steady=_steady(setup.config),
        clip=setup.config.optimizer.clip,
    )


def _steady(config: Config) -> tuple[str, ...]:
    loss = config.loss
    return tuple(
        one.name
        for one in active(loss)
        if not loss.schedule(one.name) and not (one.softened and loss.schedule("temperature"))
    )


def _expectation_text(expected: Expectation) -> str:
    initial, floors = expected.initial, expected.floors
    words = titles()
    terms = [
        f"{words[name]} {initial[name]:.3f} -> {floors[name]:.3f}"
        for name in expected.steady
        if name in floors and name in initial
    ]
    if expected.token_frequency_loss is None:
        return f"to expect, held out: {', '.join(terms) or 'nothing is known before'}"
    loss = language_loss(initial)
    known = (
        f"token frequencies alone give {words.get(loss, loss)} {expected.token_frequency_loss:.3f}"
    )
    accuracy = f"accuracy {initial['accuracy']:.1%}"
    if "accuracy" in expected.teacher:
        accuracy += f" -> {expected.teacher['accuracy']:.1%}"
    return f"to expect, held out: {', '.join([*terms, accuracy])}; {known}"
