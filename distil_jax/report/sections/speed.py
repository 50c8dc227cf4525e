"""Speed of training, and inference speed and size on disk of student and teacher."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from distil_jax.report import amount, drawing, paper
from distil_jax.report.document import (
    Block,
    Missing,
    PageSection,
    Picture,
    Pictures,
    Table,
    Text,
)
from distil_jax.report.measurements import Speed
from distil_jax.report.report_data import ReportData

COLUMNS = (
    ("parameters", "parameters", amount.count),
    ("bytes", "weights, MB", lambda value: amount.decimal(value / 1e6, 1)),
    ("batch_1_milliseconds", "ms a sentence, batch 1", lambda value: amount.decimal(value, 2)),
    ("batch_1_sentences_per_second", "sentences/s, batch 1", lambda v: amount.decimal(v, 1)),
    ("batch_32_sentences_per_second", "sentences/s, batch 32", lambda v: amount.decimal(v, 1)),
)
BATCHES = {
    "batch 1": "batch_1_sentences_per_second",
    "batch 32": "batch_32_sentences_per_second",
}
TITLE = "Sentences per second"


def section(data: ReportData) -> PageSection | Missing | None:
    """Tables of what was measured, training first; bars and a sentence for inference."""
    measured = {shown: speed for shown, speed in data.speeds.items() if speed.models}
    training = {shown: speed for shown, speed in data.speeds.items() if speed.training}
    if not measured and not training:
        return _missing(data)
    tables = [
        Table(
            f"{shown}: training" if len(training) > 1 else "Training", ("", "here"), speed.training
        )
        for shown, speed in training.items()
    ]
    return PageSection("speed", "Speed", [*tables, *(_inference(data, measured))])


def _inference(data: ReportData, measured: Mapping[str, Speed]) -> list[Block]:
    """A row for each measured model, bars, and what was measured."""
    if not measured:
        return []
    rows = [
        [_name(data, shown, role), *cells(figures)]
        for shown, speed in measured.items()
        for role, figures in speed.models.items()
    ]
    description = f"{TITLE}: " + "; ".join(
        f"{_name(data, shown, role)} {label} {figures[key]:.1f}"
        for shown, speed in measured.items()
        for role, figures in speed.models.items()
        for label, key in BATCHES.items()
        if key in figures
    )
    picture = Picture("speed", TITLE, description, _draw(data))
    caption = "Medians of alternating passes over the same real sentences on one device"
    comparisons = [Text(_comparison(shown, speed)) for shown, speed in measured.items()]
    return [Table(caption, ("model", *head()), rows), Pictures([picture]), *comparisons]


def head() -> list[str]:
    """What stands above `cells`."""
    return [label for _, label, _ in COLUMNS]


def cells(figures: Mapping[str, Any]) -> list[str]:
    """One model's figures as a table shows them; a dash for one that it lacks."""
    return [form(figures[key]) if key in figures else "-" for key, _, form in COLUMNS]


def _missing(data: ReportData) -> Missing | None:
    if not data.runs or not data.runs[0].teacher:
        return None
    run = data.runs[0]
    return Missing(
        "Speed one sentence at a time and in batches of 32 (the paper: STS-B's development set)",
        f"python -m distil_jax.benchmark --model={run.folder}/student --teacher={run.teacher} "
        f"--input=SENTENCES --output={run.folder}/speed",
    )


def _name(data: ReportData, shown: str, role: str) -> str:
    return f"{shown}: {role}" if len(data.speeds) > 1 else role


def _comparison(shown: str, speed: Speed) -> str:
    """What the ratios say, and on what."""
    parts = []
    for key, label in (("batch_1_speed", "batch 1"), ("batch_32_speed", "batch 32")):
        if key in speed.ratios:
            parts.append(f"{speed.ratios[key]:.2f} times the teacher's speed at {label}")
    if "parameters" in speed.ratios:
        parts.append(f"{amount.percent(speed.ratios['parameters'])} of its parameters")
    where = ", ".join(filter(None, (speed.device, speed.date)))
    sentences = speed.lengths.get("sentences")
    measured = f"Measured on {amount.count(sentences)} sentences" if sentences else "Measured"
    if "median" in speed.lengths:
        measured += f" of {speed.lengths['median']:.0f} tokens in the median"
    in_paper = f"The paper: {paper.SPEED_RATIO:.2f} at batch 1 on a CPU."
    ratios = f"The student ({speed.names['student']}) has {', '.join(parts)}. " if parts else ""
    prefix = f"{shown}: " if shown else ""
    return f"{prefix}{ratios}{measured}{f' ({where})' if where else ''}. {in_paper}"


def _draw(data: ReportData) -> Figure:
    bars = [
        (_name(data, shown, role), figures, 1 if role == "teacher" else 0)
        for shown, speed in data.speeds.items()
        for role, figures in speed.models.items()
    ]
    rows = [
        (f"{name}, {label}", figures[key], number)
        for label, key in BATCHES.items()
        for name, figures, number in bars
        if key in figures
    ]
    figure, axes = drawing.axes(0.6 + 0.34 * len(rows))
    for row, (_, value, number) in enumerate(rows):
        axes.barh(row, value, color=drawing.colour(number), height=0.6)
        drawing.value(axes, value, row, f" {value:,.1f}")
    axes.set_yticks(range(len(rows)), [drawing.label(name) for name, _, _ in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.2 * max((value for _, value, _ in rows), default=1.0))
    drawing.grid(axes, "x")
    return figure
