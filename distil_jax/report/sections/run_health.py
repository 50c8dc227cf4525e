"""Whether a run went as a healthy one does."""

from matplotlib.figure import Figure

from distil_jax.report import drawing, health_rows
from distil_jax.report.document import (
    Block,
    Missing,
    PageSection,
    Picture,
    Pictures,
    Table,
    Text,
)
from distil_jax.report.report_data import ReportData
from distil_jax.report.runs import Run

PANELS = {
    "gradient_norm": "Norm of the gradient before clipping",
    "clipped_share": "Share of the steps so far whose gradient was clipped",
}
MOST_POINTS = 8
"""Marks on a line that tell it from the others."""


def section(data: ReportData) -> PageSection | Missing | None:
    """Expected beside seen, and the gradient's norm."""
    blocks: list[Block] = []
    for run in data.runs:
        blocks += _table(data, run)
    pictures = [
        Picture(name, title, f"{title}, by optimizer step.", _draw(data, name))
        for name, title in PANELS.items()
        if any(name in line for run in data.runs for line in run.lines)
    ]
    if not blocks and not pictures:
        return None
    return PageSection("health", "Health", [*blocks, *([Pictures(pictures)] if pictures else [])])


def _table(data: ReportData, run: Run) -> list[Block]:
    """In words; then every raw value, folded away."""
    shown = health_rows.rows(run)
    name = data.called(run)
    caption = "✓ on its way; ✗ worse than right after initialisation. “Towards” is the lowest loss "
    caption += "to hope for, and for shares the teacher's"
    return [
        *([Text(f"{name}:")] if len(data.runs) > 1 and shown else []),
        *([Table(caption, health_rows.HEAD, shown, words=range(3))] if shown else []),
        *_raw(data, run),
    ]


def _raw(data: ReportData, run: Run) -> list[Table]:
    expected, seen = (run.health.get(name, {}) for name in ("expected", "seen"))
    names = list(dict.fromkeys((*expected, *seen)))
    rows = [[name, *(_value(side.get(name)) for side in (expected, seen))] for name in names]
    caption = data.of(run, "every value of health.json")
    return [Table(caption, ("key", "expected", "seen"), rows, folded=True)] if rows else []


def _value(value: float | int | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _draw(data: ReportData, name: str) -> Figure:
    figure, axes = drawing.axes(2.9)
    several = len(data.runs) > 1
    for number, run in enumerate(data.runs):
        points = [(line["step"], line[name]) for line in run.lines if name in line]
        if points:
            axes.plot(
                *zip(*points, strict=True),
                color=drawing.colour(number),
                linewidth=1.2,
                marker=drawing.marker(number) if len(points) == 1 or several else "",
                markevery=-(-len(points) // MOST_POINTS),
                markersize=4,
            )
        clip = run.settings.get("optimizer.clip")
        if name == "gradient_norm" and clip:
            axes.axhline(clip, color=drawing.colour(number), linewidth=0.8, linestyle="--")
            axes.text(
                0.01,
                clip,
                "clipped above",
                transform=axes.get_yaxis_transform(),
                va="bottom",
                fontsize=8.5,
                color=drawing.FAINT,
            )
    if name == "gradient_norm":
        axes.set_yscale("log")
    else:
        axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("optimizer step")
    drawing.grid(axes)
    if several:
        drawing.legend(figure, drawing.colours(map(data.called, data.runs)), points=True)
    return figure
