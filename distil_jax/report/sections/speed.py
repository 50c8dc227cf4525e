"""Speed of training, and inference speed and size on disk of student and teacher."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from distil_jax.report import amount, drawing, paper
from distil_jax.report.document import (
    Block,
    Missing,
    Picture,
    Pictures,
    Section,
    Table,
    Text,
)
from distil_jax.report.material import Material
from distil_jax.report.speed import Speed

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


def section(material: Material) -> Section | Missing | None:
    """Tables of what was measured, training first; bars and a sentence for inference."""
    measured = {shown: one for shown, one in material.speeds.items() if one.models}
    training = {shown: one for shown, one in material.speeds.items() if one.training}
    if not measured and not training:
        return _missing(material)
    tables = [
        Table(f"{shown}: training" if len(training) > 1 else "Training", ("", "here"), one.training)
        for shown, one in training.items()
    ]
    return Section("speed", "Speed", [*tables, *(_inference(material, measured))])


def _inference(material: Material, measured: Mapping[str, Speed]) -> list[Block]:
    """A row for each measured model, bars, and what was measured."""
    if not measured:
        return []
    rows = [
        [_name(material, shown, role), *cells(figures)]
        for shown, speed in measured.items()
        for role, figures in speed.models.items()
    ]
    description = f"{TITLE}: " + "; ".join(
        f"{_name(material, shown, role)} {label} {figures[key]:.1f}"
        for shown, speed in measured.items()
        for role, figures in speed.models.items()
        for label, key in BATCHES.items()
        if key in figures
    )
    picture = Picture("speed", TITLE, description, _draw(material))
    caption = "Medians of alternating passes over the same real sentences on one device"
    told = [Text(_told(shown, speed)) for shown, speed in measured.items()]
    return [Table(caption, ("model", *head()), rows), Pictures([picture]), *told]


def head() -> list[str]:
    """What stands above `cells`."""
    return [label for _, label, _ in COLUMNS]


def cells(figures: Mapping[str, Any]) -> list[str]:
    """One model's figures as a table shows them; a dash for one that it lacks."""
    return [form(figures[key]) if key in figures else "-" for key, _, form in COLUMNS]


def _missing(material: Material) -> Missing | None:
    if not material.runs or not material.runs[0].teacher:
        return None
    run = material.runs[0]
    return Missing(
        "Speed one sentence at a time and in batches of 32 (the paper: STS-B's development set)",
        f"python -m distil_jax.benchmark --model={run.folder}/student --teacher={run.teacher} "
        f"--input=SENTENCES --output={run.folder}/speed",
    )


def _name(material: Material, shown: str, role: str) -> str:
    return f"{shown}: {role}" if len(material.speeds) > 1 else role


def _told(shown: str, speed: Speed) -> str:
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
    paper_told = f"The paper: {paper.SPEED_RATIO:.2f} at batch 1 on a CPU."
    ratios = f"The student ({speed.names['student']}) has {', '.join(parts)}. " if parts else ""
    prefix = f"{shown}: " if shown else ""
    return f"{prefix}{ratios}{measured}{f' ({where})' if where else ''}. {paper_told}"


def _draw(material: Material) -> Figure:
    bars = [
        (_name(material, shown, role), figures, 1 if role == "teacher" else 0)
        for shown, speed in material.speeds.items()
        for role, figures in speed.models.items()
    ]
    rows = [
        (f"{name}, {label}", figures[key], number)
        for label, key in BATCHES.items()
        for name, figures, number in bars
        if key in figures
    ]
    figure, axes = drawing.axes(0.6 + 0.34 * len(rows))
    for place, (_, value, number) in enumerate(rows):
        axes.barh(place, value, color=drawing.colour(number), height=0.6)
        drawing.value(axes, value, place, f" {value:,.1f}")
    axes.set_yticks(range(len(rows)), [drawing.label(name) for name, _, _ in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.2 * max((value for _, value, _ in rows), default=1.0))
    drawing.grid(axes, "x")
    return figure
