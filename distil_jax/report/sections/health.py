"""Whether a run went as a healthy one does."""

from matplotlib.figure import Figure

from distil_jax.report import amount, drawing
from distil_jax.report.document import Missing, Notes, Picture, Pictures, Section, Table, Text
from distil_jax.report.material import Material
from distil_jax.report.runs import Run

SHOWN_WARNINGS = 20
PANELS = {
    "gradient_norm": "Norm of the gradient before clipping",
    "clipped_share": "Share of the steps so far whose gradient was clipped",
}


def section(material: Material) -> Section | Missing | None:
    """Expected beside seen, warnings, and the gradient's norm."""
    blocks: list = []
    for run in material.runs:
        blocks += _table(material, run) + _warnings(material, run)
    pictures = [
        Picture(name, title, f"{title}, by optimizer step.", _draw(material, name))
        for name, title in PANELS.items()
        if any(name in line for run in material.runs for line in run.lines)
    ]
    if not blocks and not pictures:
        return None
    return Section("health", "Health", [*blocks, *([Pictures(pictures)] if pictures else [])])


def _table(material: Material, run: Run) -> list[Table]:
    expected, seen = (run.health.get(name, {}) for name in ("expected", "seen"))
    names = list(dict.fromkeys((*expected, *seen)))
    rows = [
        [name.replace("_", " "), *(_value(side.get(name)) for side in (expected, seen))]
        for name in names
    ]
    caption = f"{material.of(run, 'what')} was expected of this run, and what was seen"
    return [Table(caption, ("figure", "expected", "seen"), rows)] if rows else []


def _value(value: float | int | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _warnings(material: Material, run: Run) -> list[Notes | Text]:
    if not run.health:
        return []
    warnings = run.health.get("warnings", [])
    if not warnings:
        alone = len(material.runs) == 1
        return [Text("No warnings." if alone else f"{material.of(run, 'no')} warnings.")]
    told = [
        f"{material.of(run, 'step')} {amount.anything(warning.get('step'))}: {warning['message']}"
        for warning in warnings[:SHOWN_WARNINGS]
    ]
    if len(warnings) > SHOWN_WARNINGS:
        told.append(f"and {len(warnings) - SHOWN_WARNINGS} more in {run.folder}/health.json")
    return [Notes(told, serious=True)]


def _draw(material: Material, name: str) -> Figure:
    figure, axes = drawing.axes(2.9)
    for number, run in enumerate(material.runs):
        found = [(line["step"], line[name]) for line in run.lines if name in line]
        if found:
            axes.plot(
                *zip(*found, strict=True),
                color=drawing.colour(number),
                linewidth=1.2,
                marker="o" if len(found) == 1 else "",
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
    if len(material.runs) > 1:
        drawing.legend(figure, drawing.colours(map(material.called, material.runs)))
    return figure
