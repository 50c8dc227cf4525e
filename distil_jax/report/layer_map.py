"""Which teacher layer feeds which student layer, drawn: the teacher above, the student below."""

import re
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from distil_jax.configuration.objective_table import titles
from distil_jax.report import drawing
from distil_jax.report.document import Picture
from distil_jax.report.runs import Run

TITLE = "Which teacher layer feeds which student layer"
PAIR = re.compile(r"(\d+) -> (\d+)")
FIRST = {"first weights": "first weights"}
EMBEDDINGS = "E"

Pairs = tuple[tuple[int, int], ...]


def picture(run: Run, name: str) -> Picture | None:
    """A panel for each map of a run; None where it has none."""
    maps = _maps(run.layers)
    if not maps:
        return None
    words = "; ".join(f"{title}: {run_text(pairs)}" for pairs, title in maps.items())
    shown = re.sub(r"\W", "_", name)
    return Picture(f"layers_{shown}", TITLE, f"{TITLE}. {words}.", _draw(run, maps))


def run_text(pairs: Pairs) -> str:
    """A map in words."""
    return ", ".join(f"{teacher} -> {student}" for teacher, student in pairs)


def _maps(layers: Mapping[str, str]) -> dict[Pairs, str]:
    """Titles by map: what compares the same layers shares a panel."""
    words = titles() | FIRST
    found: dict[Pairs, str] = {}
    for name, text in layers.items():
        pairs = tuple((int(a), int(b)) for a, b in PAIR.findall(text))
        if pairs:
            title = words.get(name, name.replace("_", " "))
            found[pairs] = f"{found[pairs]}, {title}" if pairs in found else title
    return found


def _draw(run: Run, maps: Mapping[Pairs, str]) -> Figure:
    every = [pair for pairs in maps for pair in pairs]
    shapes = (run.teacher_shape, run.config.get("model") or {})
    layers = [
        max(int(shape.get("layers") or 0), *(pair[side] for pair in every))
        for side, shape in enumerate(shapes)
    ]
    figure, axes = drawing.rows(len(maps), height_inches=1.25)
    for panel, (pairs, title) in zip(axes, maps.items(), strict=True):
        _panel(panel, layers, pairs, title)
    return figure


def _panel(axes: Axes, layers: list[int], pairs: Pairs, title: str) -> None:
    least = min(0 if 0 in pair else 1 for pair in pairs)
    widest = max(layers)
    for side, (count, y) in enumerate(zip(layers, (1.0, 0.0), strict=True)):
        used = {pair[side] for pair in pairs}
        for layer in range(least, count + 1):
            _layer(axes, _place(layer, count, widest), y, layer, fed=layer in used, side=side)
    for teacher, student in pairs:
        ends = [_place(teacher, layers[0], widest), _place(student, layers[1], widest)]
        axes.plot(ends, [0.78, 0.22], color=drawing.FAINT, linewidth=1.2)
    axes.set_title(title, loc="left", fontsize=9, color=drawing.FAINT)
    axes.set_yticks([1.0, 0.0], ["teacher", "student"], color=drawing.INK)
    axes.set_xlim(least - 0.6, widest + 0.6)
    axes.set_ylim(-0.35, 1.35)
    axes.set_xticks([])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _layer(axes: Axes, x: float, y: float, layer: int, *, fed: bool, side: int) -> None:
    """A numbered box, filled where the layer takes part."""
    colour = drawing.colour(1 - side)
    axes.text(
        *(x, y, str(layer) if layer else EMBEDDINGS),
        ha="center",
        va="center",
        fontsize=8.5,
        color=drawing.PAGE if fed else drawing.FAINT,
        bbox={
            "boxstyle": "round,pad=0.35",
            "facecolor": colour if fed else "none",
            "edgecolor": colour if fed else drawing.RULE,
        },
    )


def _place(layer: int, count: int, widest: int) -> float:
    """Both stacks are as wide: a layer stands at its share of the depth."""
    if count < 2 or layer == 0:
        return float(layer)
    return 1 + (layer - 1) * (widest - 1) / (count - 1)
