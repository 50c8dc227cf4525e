"""How losses, accuracy and agreement went."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from distil_jax.report import drawing
from distil_jax.report.curves import PANELS
from distil_jax.report.document import Missing, Picture, Pictures, Section, Text
from distil_jax.report.material import Material
from distil_jax.report.runs import Run

HELD_OUT = (("accuracy", "held-out MLM accuracy"), ("agreement", "agreement with the teacher"))
NOTE = (
    "Thin lines: batches of the training text. Lines with dots: held-out text, beginning before "
    "the first step."
)

Points = tuple[Sequence[float | int], Sequence[float | int]]


def section(material: Material) -> Section | Missing | None:
    """A small drawing for each figure that any of the runs has."""
    pictures = [
        _picture(material, name, title)
        for name, title in (*PANELS, *HELD_OUT)
        if any(
            any(part[1])
            for run in material.runs
            for part in (_training(run, name), _held(run, name))
        )
    ]
    if not pictures:
        return None
    return Section("losses", "Loss curves", [Pictures(pictures), Text(NOTE)])


def _training(run: Run, name: str) -> Points:
    found = [(line["step"], line[name]) for line in run.lines if name in line]
    return [step for step, _ in found], [value for _, value in found]


def _held(run: Run, name: str) -> Points:
    found = [(0, run.initial[name])] if name in run.initial else []
    key = f"validation_{name}"
    found += [(line["step"], line[key]) for line in run.lines if key in line]
    return [step for step, _ in found], [value for _, value in found]


def _picture(material: Material, name: str, title: str) -> Picture:
    told = "; ".join(
        f"{material.called(run)}: held out {values[0]:.3g} at first, {values[-1]:.3g} at last"
        for run in material.runs
        if (values := _held(run, name)[1])
    )
    return Picture(
        f"curve_{name}", title, f"{title} by optimizer step. {told}", _draw(material, name)
    )


def _draw(material: Material, name: str) -> Figure:
    figure, axes = drawing.axes(2.9)
    for number, run in enumerate(material.runs):
        _lines(axes, run, name, drawing.colour(number))
    axes.set_xlabel("optimizer step")
    drawing.grid(axes)
    if len(material.runs) > 1:
        drawing.legend(figure, drawing.colours(map(material.called, material.runs)))
    return figure


def _lines(axes: Axes, run: Run, name: str, colour: str) -> None:
    training = _training(run, name)
    alone = len(training[0]) == 1  # a line of one point shows nothing
    axes.plot(
        *training,
        color=colour,
        linewidth=0.9,
        alpha=0.6,
        marker="s" if alone else "",
        markersize=4,
    )
    axes.plot(*_held(run, name), color=colour, linewidth=1.8, marker="o", markersize=4)
