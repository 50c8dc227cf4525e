"""What a finished run leaves: the student's folder, curves, figures, and the table it prints."""

import json
from collections.abc import Mapping
from typing import Any

from distil_jax.models.types import Params
from distil_jax.pretrained import Pretrained, save
from distil_jax.report import curves, table
from distil_jax.run import accounts, health
from distil_jax.run.card import card
from distil_jax.run.page import HTML, write_page
from distil_jax.run.scores import DISTILLED, INITIALISED, TEACHER, Scores, final
from distil_jax.run.setup import Setup
from distil_jax.storage.atomic import write_text, writing
from distil_jax.training.metrics_file import read as read_metrics
from distil_jax.training.progress import Display

RESULTS, STUDENT, CURVES = "results.json", "student", "curves.png"
LEAST_GAP_NATS = 0.02
"""A share of a smaller gap between initialisation and teacher would be a share of noise."""


def earlier_results(setup: Setup) -> Scores | None:
    """The figures of a run that finished before, if all that it left is still there."""
    names = (RESULTS, CURVES, HTML, health.FILE, f"{STUDENT}/model.safetensors")
    left = [setup.folder / name for name in names]
    if not all(path.is_file() for path in left):
        return None
    found = json.loads(left[0].read_text())
    return found["models"] if found["total_steps"] == setup.total_steps else None


def finish(
    setup: Setup, before: Scores, after: Mapping[str, float | int], params: Params
) -> Scores:
    """Export, draw and measure; the results are written last, as the sign that all is there."""
    scores = final(setup, before, after, params)
    student = Pretrained(setup.models.student, params, "masked_lm", (), setup.models.tokenizer)
    save(setup.folder / STUDENT, student, card=_card(setup, scores))
    lines = read_metrics(setup.folder / "metrics.jsonl")
    title = setup.config.teacher or "MLM"
    content = {
        "total_steps": setup.total_steps,
        "models": scores,
        "environment": accounts.environment(),
        "cost": accounts.cost(setup, lines),
    }
    with writing(setup.folder):
        curves.draw(lines, before[INITIALISED], setup.folder / CURVES, title=title)
    write_page(setup, content, before, lines)
    write_text(setup.folder / RESULTS, json.dumps(content, indent=2) + "\n")
    return scores


def show(setup: Setup, scores: Scores, display: Display) -> None:
    """Print the table, what it means, and where the results are."""
    display.console.print(table.terminal(scores))
    if TEACHER in scores:
        display.say(_gap(scores))
    display.say(f"peak memory of this process: {accounts.peak_bytes() / 1e9:.1f} GB")
    display.say(health.summary(setup.workdir))
    display.say(f"loss curves: {setup.workdir.join(CURVES)}")
    display.say(f"report: {setup.workdir.join(HTML)}")
    display.say(f"student: {setup.workdir.join(STUDENT)}")


def _gap(scores: Scores) -> str:
    teacher, first, last = (scores[n]["masked_lm"] for n in (TEACHER, INITIALISED, DISTILLED))
    if first - teacher < LEAST_GAP_NATS:
        return (
            f"held-out MLM loss: teacher {teacher:.3f}, student {first:.3f} at its start and "
            f"{last:.3f} now; there was no gap to speak of"
        )
    return (
        f"the student closed {(first - last) / (first - teacher):.0%} of the held-out-loss gap "
        "between its initialisation and the teacher"
    )


def _card(setup: Setup, scores: Scores) -> str:
    data = setup.train_data.summary
    made: dict[str, Any] = {
        "teacher layers": ", ".join(map(str, setup.models.layers)) or "none",
        "optimizer steps": setup.total_steps,
    }
    return card(
        setup.config,
        made=made,
        data=f"{setup.config.data.train}: {data.sequences:,} sequences, {data.tokens:,} tokens",
        scores=table.by_model(scores),
        command=setup.command,
    )
