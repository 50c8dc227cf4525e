"""The loss curves of a run as a PNG."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

PANELS = (
    ("loss", "weighted loss"),
    ("soft_target", "soft target (nats x T^2)"),
    ("masked_lm", "masked LM (nats)"),
    ("cosine", "1 - cosine"),
)


def draw(
    lines: Sequence[Mapping[str, Any]],
    initial: Mapping[str, float | int],
    path: Path,
    *,
    title: str,
) -> None:
    """Draw training and held-out losses by step; `initial` are the held-out figures at step 0."""
    path.write_bytes(png(lines, initial, title=title))


def png(
    lines: Sequence[Mapping[str, Any]], initial: Mapping[str, float | int], *, title: str
) -> bytes:
    """What `draw` writes."""
    shown = [
        (name, label)
        for name, label in PANELS
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


def _panel(
    axes: Axes, lines: Sequence[Mapping[str, Any]], initial: Mapping[str, float | int], name: str
) -> None:
    axes.plot([line["step"] for line in lines], [line[name] for line in lines], label="training")
    held_out = [(0, initial[name])] if name in initial else []
    key = f"validation_{name}"
    held_out += [(line["step"], line[key]) for line in lines if key in line]
    axes.plot(*zip(*held_out, strict=True), marker="o", markersize=3, label="held out")
