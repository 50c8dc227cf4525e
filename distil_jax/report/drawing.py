"""Small drawings that are legible at phone width, as PNG and as SVG in the page's own colours."""

import html
import io
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

WIDTH_INCHES = 4.7
INK, FAINT, RULE, PAGE = "#1f2328", "#59636e", "#d1d9e0", "#fefefe"
SERIES = ("#0a5cc2", "#b93a06", "#1a7f37", "#7d3bbd", "#b0246c", "#0f6f80")
"""Colours of series in this order, each at least 4.5 to 1 on white; more series begin again."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
"""Shapes of points in this order; there are more than colours, so that 42 series differ."""

VARIABLES = {INK: "ink", FAINT: "faint", RULE: "rule", PAGE: "page"} | {
    colour: f"series-{number}" for number, colour in enumerate(SERIES)
}
STYLE: dict[Any, Any] = {
    "font.size": 10.0,
    "axes.titlesize": 10.0,
    "axes.edgecolor": RULE,
    "axes.labelcolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "svg.fonttype": "none",
}


def axes(height_inches: float | int) -> tuple[Figure, Axes]:
    """An empty drawing, as wide as a phone shows."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_INCHES, height_inches), layout="constrained")
        FigureCanvasAgg(figure)
        return figure, figure.subplots()


def rows(number: int, height_inches: float) -> tuple[Figure, list[Axes]]:
    """Empty drawings, one below the other."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_INCHES, number * height_inches), layout="constrained")
        FigureCanvasAgg(figure)
        return figure, list(figure.subplots(number, 1, squeeze=False)[:, 0])


def colour(number: int) -> str:
    """The colour of a series."""
    return SERIES[number % len(SERIES)]


def colours(names: Iterable[str]) -> dict[str, str]:
    """A colour for each name, in order."""
    return {name: colour(number) for number, name in enumerate(names)}


def marker(number: int) -> str:
    """The shape of a series' points, which tells those apart whose colours one may not."""
    return MARKERS[number % len(MARKERS)]


def legend(figure: Figure, entries: Mapping[str, str], *, points: bool = False) -> None:
    """Names and colours below a drawing, with `points` the shapes of their points, too."""
    handles: list[Artist] = [Patch(color=colour) for colour in entries.values()]
    if points:
        handles = [
            Line2D([], [], color=colour, marker=marker(number), markersize=5)
            for number, colour in enumerate(entries.values())
        ]
    with matplotlib.rc_context(STYLE):
        figure.legend(
            handles,
            [label(name) for name in entries],
            loc="outside lower left",
            ncols=2,
            fontsize=9,
            handlelength=2.0 if points else 1.0,
        )


def value(axes: Axes, x: float | int, y: float | int, text: str) -> None:
    """A number at the end of a bar."""
    axes.text(x, y, text, va="center", fontsize=9, color=INK)


def grid(axes: Axes, which: Literal["x", "y", "both"] = "both") -> None:
    """Faint rules."""
    axes.grid(axis=which, color=RULE, linewidth=0.6)


def label(text: str, *, most: int = 28) -> str:
    """A user's text as matplotlib shows it letter for letter, its middle left out if it is long."""
    if len(text) > most:
        text = f"{text[: most // 2 - 1]}…{text[-(most // 2) :]}"
    return (" " if text.startswith("_") else "") + text.replace("$", r"\$")


def png(figure: Figure) -> bytes:
    """For Markdown and slides: light, 150 dots per inch."""
    content = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(content, format="png", dpi=150, metadata={"Software": None})
    return content.getvalue()


def svg(figure: Figure, name: str, description: str) -> str:
    """An <svg> element for a page: colours are the page's variables, ids begin with `name`."""
    content = io.StringIO()
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        figure.savefig(content, format="svg", transparent=True, metadata={"Date": None})
    return _inline(content.getvalue(), name, description)


def _inline(text: str, name: str, description: str) -> str:
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"\n\s*<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'(?<=\bid=")|(?<=href="#)|(?<=url\(#)', f"{name}-", text)
    for colour_, variable in VARIABLES.items():
        text = text.replace(colour_, f"var(--{variable})")
    text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font: \1px var(--font)", text)
    label_text = html.escape(description, quote=True)
    view = re.search(r'viewBox="[^"]*"', text)
    assert view is not None, "matplotlib writes a viewBox"
    head = f'<svg {view[0]} role="img" aria-label="{label_text}" xmlns:xlink="http://www.w3.org/1999/xlink">'
    return head + text[text.index(">") + 1 :].strip()
