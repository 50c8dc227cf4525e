"""How losses, accuracy and agreement went: a section of the report, and a run's curves.png.

Every objective that a run names has a panel.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from distil_jax.report import drawing
from distil_jax.report.document import Missing, PageSection, Picture, Pictures, Text
from distil_jax.report.report_data import ReportData
from distil_jax.report.runs import TEACHER, Run

VALIDATION = (("accuracy", "held-out accuracy"), ("agreement", "agreement with the teacher"))
NOTE = (
    "Thin lines: batches of the training text. Lines with points: held-out text, beginning before "
    "the first step. Dashed: the teacher."
)

Points = tuple[Sequence[float | int], Sequence[float | int]]


def section(data: ReportData) -> PageSection | Missing | None:
    """A small drawing for each figure that any of the runs has."""
    pictures = [
        _picture(data, name, title)
        for name, title in (*panels(_objectives(data)).items(), *VALIDATION)
        if any(
            any(part[1])
            for run in data.runs
            for part in (_training(run, name), _validation(run, name))
        )
    ]
    if not pictures:
        return None
    return PageSection("losses", "Loss curves", [Pictures(pictures), Text(NOTE)])


def draw_file(
    lines: Sequence[Mapping[str, Any]],
    initial: Mapping[str, float | int],
    objectives: Mapping[str, str],
    path: Path,
    *,
    title: str,
) -> None:
    """Draw training and held-out losses by step; `initial` are the held-out figures at step 0.

    `objectives` has the label of each by its name.
    """
    path.write_bytes(png(lines, initial, objectives, title=title))


def png(
    lines: Sequence[Mapping[str, Any]],
    initial: Mapping[str, float | int],
    objectives: Mapping[str, str],
    *,
    title: str,
) -> bytes:
    """What `draw` writes."""
    shown = [
        (name, label)
        for name, label in panels(objectives).items()
        if any(values.get(name) for values in (initial, *lines))
    ]
    figure = Figure(figsize=(3.4 * len(shown), 3.0), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=10)
    for axes, (name, label) in zip(
        figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True
    ):
        _panel(axes, lines, initial, name)
        axes.set_title(label, fontsize=9)
        axes.set_xlabel("optimizer step", fontsize=8)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize=8)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=130, metadata={"Software": None})
    return content.getvalue()


def panels(objectives: Mapping[str, str]) -> dict[str, str]:
    """Name and title of every loss: the weighted sum, and each objective by its label."""
    return {"loss": "weighted loss", **objectives}


def _objectives(data: ReportData) -> dict[str, str]:
    return {name: label for run in data.runs for name, label in run.objectives.items()}


def _training(run: Run, name: str) -> Points:
    points = [(line["step"], line[name]) for line in run.lines if name in line]
    return [step for step, _ in points], [value for _, value in points]


def _validation(run: Run, name: str) -> Points:
    points = [(0, run.initial[name])] if name in run.initial else []
    key = f"validation_{name}"
    points += [(line["step"], line[key]) for line in run.lines if key in line]
    return [step for step, _ in points], [value for _, value in points]


def _picture(data: ReportData, name: str, title: str) -> Picture:
    change = "; ".join(
        f"{data.called(run)}: held out {values[0]:.3g} at first, {values[-1]:.3g} at last"
        for run in data.runs
        if (values := _validation(run, name)[1])
    )
    return Picture(
        f"curve_{name}", title, f"{title} by optimizer step. {change}", _draw(data, name)
    )


def _draw(data: ReportData, name: str) -> Figure:
    figure, axes = drawing.axes(2.9)
    for number, run in enumerate(data.runs):
        _lines(axes, run, name, number)
    if len(data.runs) == 1 and name != "agreement":
        _goal(axes, data.runs[0].models.get(TEACHER, {}).get(name))
    axes.set_xlabel("optimizer step")
    drawing.grid(axes)
    if len(data.runs) > 1:
        drawing.legend(figure, drawing.colours(map(data.called, data.runs)), points=True)
    return figure


def _goal(axes: Axes, teacher: float | int | None) -> None:
    """The teacher's own figure, where it has one that the student's is to come to."""
    if teacher is None:
        return
    axes.axhline(teacher, color=drawing.colour(1), linewidth=1.2, linestyle=(0, (4, 3)))
    axes.annotate(
        "teacher",
        *((1.0, teacher), (-2, 3)),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        ha="right",
        fontsize=9,
        color=drawing.colour(1),
    )


def _lines(axes: Axes, run: Run, name: str, number: int) -> None:
    colour, marker = drawing.colour(number), drawing.marker(number)
    training = _training(run, name)
    is_point = len(training[0]) == 1  # a line of one point shows nothing
    axes.plot(
        *training,
        color=colour,
        linewidth=0.9,
        alpha=0.6,
        marker="s" if is_point else "",
        markersize=4,
    )
    axes.plot(*_validation(run, name), color=colour, linewidth=1.8, marker=marker, markersize=4)


def _panel(
    axes: Axes, lines: Sequence[Mapping[str, Any]], initial: Mapping[str, float | int], name: str
) -> None:
    training = [(line["step"], line[name]) for line in lines if name in line]
    if training:  # what has no weight is measured on validation text alone
        axes.plot(*zip(*training, strict=True), label="training")
    validation = [(0, initial[name])] if name in initial else []
    key = f"validation_{name}"
    validation += [(line["step"], line[key]) for line in lines if key in line]
    axes.plot(*zip(*validation, strict=True), marker="o", markersize=3, label="held out")
