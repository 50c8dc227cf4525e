"""Parameter counts: the published models, and the runs' teachers and students among them."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from distil_jax.report import amount, drawing, paper
from distil_jax.report.document import Missing, Picture, Pictures, Section, Text
from distil_jax.report.material import Material
from distil_jax.report.runs import TEACHER

TITLE = "Millions of parameters (logarithmic)"
NOTE = (
    "Published counts are those of the paper's figure 1 and table 3, rounded as printed there; a "
    "run's own counts are exact and include the masked-LM head."
)


def section(material: Material) -> Section | Missing | None:
    """Every model on one axis."""
    own = _own(material)
    if not own:
        return None
    told = "; ".join(f"{name} {amount.count(value)}" for name, value in own.items())
    description = f"{TITLE}. Here: {told}. Published: DistilBERT 66 M to MegatronLM 8,300 M."
    picture = Picture("parameters", TITLE, description, _draw(own))
    return Section("size", "Size", [Pictures([picture]), Text(NOTE)])


def _own(material: Material) -> dict[str, float | int]:
    found: dict[str, float | int] = {}
    for run in material.runs:
        for name, figures in (
            (TEACHER, run.models.get(TEACHER, {})),
            ("student", run.student if run.finished else {}),
        ):
            if figures.get("parameters"):
                found[material.of(run, name)] = figures["parameters"]
    for shown, speed in material.speeds.items():
        for role, figures in speed.models.items():
            if not material.runs and figures.get("parameters"):
                name = role if len(material.speeds) == 1 else f"{shown}: {role}"
                found[name] = figures["parameters"]
    return found


def _draw(own: Mapping[str, float | int]) -> Figure:
    rows = [
        (name, millions * 1e6, drawing.FAINT) for name, millions in paper.SIZES_MILLIONS.items()
    ]
    rows += [(name, value, drawing.colour(_number(name))) for name, value in own.items()]
    rows.sort(key=lambda row: row[1])
    figure, axes = drawing.axes(0.6 + 0.24 * len(rows))
    least = min(value for _, value, _ in rows) / 3
    for place, (_, value, colour) in enumerate(rows):
        axes.plot([least, value], [place, place], color=colour, linewidth=1.6)
        axes.plot([value], [place], marker="o", markersize=5, color=colour)
        drawing.value(axes, value * 1.25, place, amount.short(value))
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
