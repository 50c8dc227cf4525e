"""Whether a run went as a healthy one does."""

from matplotlib.figure import Figure

from distil_jax.report import amount, drawing
from distil_jax.report.document import Missing, Notes, PageSection, Picture, Pictures, Table, Text
from distil_jax.report.report_data import ReportData
from distil_jax.report.runs import Run

SHOWN_WARNINGS = 20
PANELS = {
    "gradient_norm": "Norm of the gradient before clipping",
    "clipped_share": "Share of the steps so far whose gradient was clipped",
}


def section(data: ReportData) -> PageSection | Missing | None:
    """Expected beside seen, warnings, and the gradient's norm."""
    blocks: list = []
    for run in data.runs:
        blocks += _table(data, run) + _warnings(data, run)
    pictures = [
        Picture(name, title, f"{title}, by optimizer step.", _draw(data, name))
        for name, title in PANELS.items()
        if any(name in line for run in data.runs for line in run.lines)
    ]
    if not blocks and not pictures:
        return None
    return PageSection("health", "Health", [*blocks, *([Pictures(pictures)] if pictures else [])])


def _table(data: ReportData, run: Run) -> list[Table]:
    expected, seen = (run.health.get(name, {}) for name in ("expected", "seen"))
    names = list(dict.fromkeys((*expected, *seen)))
    rows = [
        [name.replace("_", " "), *(_value(side.get(name)) for side in (expected, seen))]
        for name in names
    ]
    caption = f"{data.of(run, 'what')} was expected of this run, and what was seen"
    return [Table(caption, ("figure", "expected", "seen"), rows)] if rows else []


def _value(value: float | int | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _warnings(data: ReportData, run: Run) -> list[Notes | Text]:
    if not run.health:
        return []
    warnings = run.health.get("warnings", [])
    if not warnings:
        single = len(data.runs) == 1
        return [Text("No warnings." if single else f"{data.of(run, 'no')} warnings.")]
    remarks = [
        f"{data.of(run, 'step')} {amount.anything(warning.get('step'))}: {warning['message']}"
        for warning in warnings[:SHOWN_WARNINGS]
    ]
    if len(warnings) > SHOWN_WARNINGS:
        remarks.append(f"and {len(warnings) - SHOWN_WARNINGS} more in {run.folder}/health.json")
    return [Notes(remarks, serious=True)]


def _draw(data: ReportData, name: str) -> Figure:
    figure, axes = drawing.axes(2.9)
    for number, run in enumerate(data.runs):
        points = [(line["step"], line[name]) for line in run.lines if name in line]
        if points:
            axes.plot(
                *zip(*points, strict=True),
                color=drawing.colour(number),
                linewidth=1.2,
                marker="o" if len(points) == 1 else "",
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
    axes.set_xlabel("optimizer step")
    drawing.grid(axes)
    if len(data.runs) > 1:
        drawing.legend(figure, drawing.colours(map(data.called, data.runs)))
    return figure
