"""Parameter counts: the published models, and the runs' teachers and students among them."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from distil_jax.report import amount, drawing, paper
from distil_jax.report.document import Columns, Missing, PageSection, Picture, Pictures, Text
from distil_jax.report.report_data import ReportData
from distil_jax.report.runs import TEACHER

TITLE = "Millions of parameters (logarithmic)"
NOTE = (
    "Published counts are those of the paper's figure 1 and table 3, rounded as printed there; a "
    "run's own counts are exact and include the masked-LM head."
)


def section(data: ReportData) -> PageSection | Missing | None:
    """Every model on one axis."""
    counts = _counts(data)
    if not counts:
        return None
    listed = "; ".join(f"{name} {amount.count(value)}" for name, value in counts.items())
    description = f"{TITLE}. Here: {listed}. Published: DistilBERT 66 M to MegatronLM 8,300 M."
    picture = Picture("parameters", TITLE, description, _draw(counts))
    return PageSection("size", "Size", [Columns([Pictures([picture])], [Text(NOTE)])])


def _counts(data: ReportData) -> dict[str, float | int]:
    counts: dict[str, float | int] = {}
    for run in data.runs:
        for name, figures in (
            (TEACHER, run.models.get(TEACHER, {})),
            ("student", run.student if run.finished else {}),
        ):
            if figures.get("parameters"):
                counts[data.of(run, name)] = figures["parameters"]
    for shown, speed in data.speeds.items():
        for role, figures in speed.models.items():
            if not data.runs and figures.get("parameters"):
                name = role if len(data.speeds) == 1 else f"{shown}: {role}"
                counts[name] = figures["parameters"]
    return counts


def _draw(counts: Mapping[str, float | int]) -> Figure:
    rows = [
        (name, millions * 1e6, drawing.FAINT) for name, millions in paper.SIZES_MILLIONS.items()
    ]
    rows += [(name, value, drawing.colour(_number(name))) for name, value in counts.items()]
    rows.sort(key=lambda row: row[1])
    figure, axes = drawing.axes(0.6 + 0.24 * len(rows))
    least = min(value for _, value, _ in rows) / 3
    for row, (_, value, colour) in enumerate(rows):
        axes.plot([least, value], [row, row], color=colour, linewidth=1.6)
        axes.plot([value], [row], marker="o", markersize=5, color=colour)
        drawing.value(axes, value * 1.25, row, amount.short(value))
    axes.set_xscale("log")
    axes.set_xlim(least, rows[-1][1] * 8)
    axes.set_yticks(range(len(rows)), [drawing.label(name, most=22) for name, _, _ in rows])
    for tick, (_, _, colour) in zip(axes.get_yticklabels(), rows, strict=True):
        tick.set_color(colour)
    drawing.grid(axes, "x")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1e6:g}")
    return figure


def _number(name: str) -> int:
    """One colour for teachers, one for students."""
    return 1 if name.endswith(TEACHER) else 0
