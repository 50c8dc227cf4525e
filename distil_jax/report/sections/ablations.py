"""What each part of the recipe is worth: a sweep's variants over their seeds, in table and bars."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from rich.table import Table as TerminalTable

from distil_jax.report import amount, drawing, paper
from distil_jax.report.document import Missing, PageSection, Picture, Pictures, Table
from distil_jax.report.report_data import ReportData

TABLE, PICTURE = "ablations.md", "ablations.png"
MEASURES = {
    "masked_lm": ("held-out MLM loss", 3, 1.0),
    "accuracy": ("accuracy, %", 1, 100.0),
    "agreement": ("agreement, %", 1, 100.0),
    "initial_masked_lm": ("MLM loss at the start", 3, 1.0),
    "initial_agreement": ("agreement at the start, %", 1, 100.0),
}
"""Name, decimals and factor of the figures every run has; others are shown as they are."""
WIDEST = 11
"""Characters of a terminal's column."""
TITLE = "Change of the held-out MLM loss: median, and lowest to highest seed"


def section(data: ReportData) -> PageSection | Missing | None:
    """A table and bars for each sweep: the paper's Table 4 and choices of layers."""
    if not data.ablations:
        return Missing(
            "What each loss, the initialisation and the choice of layers are worth",
            "python -m distil_jax.ablate --config=ablation --output=ABLATIONS",
        )
    blocks: list = []
    for number, content in enumerate(data.ablations):
        name = f"ablations_{number}" if number else "ablations"
        picture = Picture(name, TITLE, describe(content), draw(content))
        blocks += [table(content), Pictures([picture])]
    return PageSection("ablations", "Ablations", blocks)


def table(content: Mapping[str, Any]) -> Table:
    """A row per variant: median [lowest, highest] over the seeds, and the median change."""
    measures = _measures(content)
    head = ["variant", "seeds"]
    for measure in measures:
        title = _measure(measure)[0]
        head += [title, f"change of {title.removeprefix('held-out ')}"]
    rows = [_row(variant, measures) for variant in content["variants"] if variant["runs"]]
    return Table(
        "Median [lowest, highest] over the seeds; changes are against the unchanged run of the "
        "same seed. The paper's column is the change of its GLUE score.",
        (*head, "paper: GLUE"),
        rows,
    )


def files_of(content: Mapping[str, Any]) -> dict[str, bytes]:
    """ablations.md and ablations.png."""
    shown = table(content)
    lines = [shown.head, ["---"] + ["---:"] * (len(shown.head) - 1), *shown.rows]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return {
        TABLE: f"# Ablations\n\n{text}\n\n{shown.caption}\n\n![]({PICTURE})\n".encode(),
        PICTURE: drawing.png(draw(content)),
    }


def terminal(content: Mapping[str, Any]) -> TerminalTable:
    """The medians, for a terminal, each with its change below; 80 columns hold a run's figures."""
    measures = _measures(content)
    shown = TerminalTable(box=None, pad_edge=False)
    shown.add_column("median, change below", overflow="fold")
    for measure in measures:
        title = _measure(measure)[0]
        shown.add_column(title, justify="right", overflow="fold", max_width=WIDEST)
    for variant in content["variants"]:
        shown.add_row(variant["name"], *(_medians(variant, measure) for measure in measures))
    return shown


def draw(content: Mapping[str, Any]) -> Figure:
    """The change of the held-out MLM loss: a dot for each seed, a bar for the median."""
    shown = [variant for variant in content["variants"] if "masked_lm" in variant["change"]]
    shown = [
        variant for variant in shown if variant["change"]["masked_lm"]["max"] or _changes(variant)
    ]
    figure, axes = drawing.axes(0.9 + 0.32 * len(shown))
    for row, variant in enumerate(shown):
        change = variant["change"]["masked_lm"]
        axes.barh(row, change["median"], color=drawing.colour(0), height=0.55)
        axes.plot([change["min"], change["max"]], [row, row], color=drawing.INK, linewidth=1.2)
    axes.axvline(0, color=drawing.FAINT, linewidth=1)
    axes.set_yticks(range(len(shown)), [drawing.label(variant["name"]) for variant in shown])
    axes.invert_yaxis()
    drawing.grid(axes, "x")
    axes.set_xlabel("change of held-out MLM loss (right: worse)")
    return figure


def describe(content: Mapping[str, Any]) -> str:
    """The drawing in words."""
    changes = [
        f"{variant['name']} {amount.signed(variant['change']['masked_lm']['median'], 3)}"
        for variant in content["variants"]
        if "masked_lm" in variant["change"] and _changes(variant)
    ]
    return f"Change of the held-out MLM loss by variant: {'; '.join(changes)}."


def _changes(variant: Mapping[str, Any]) -> bool:
    return bool(variant.get("changes"))


def _measures(content: Mapping[str, Any]) -> list[str]:
    variants = content["variants"]
    return list(dict.fromkeys(name for variant in variants for name in variant["figures"]))


def _measure(name: str) -> tuple[str, int, float | int]:
    return MEASURES.get(name, (name.replace("_", " "), 2, 1.0))


def _row(variant: Mapping[str, Any], measures: Sequence[str]) -> list[str]:
    diverged = sum("diverged" in run for run in variant["runs"])
    seeds = str(len(variant["runs"])) + (f" ({diverged} diverged)" if diverged else "")
    cells = [variant["name"], seeds]
    for measure in measures:
        _, digits, factor = _measure(measure)
        cells += [
            _spread(variant["figures"].get(measure), digits, factor, amount.decimal),
            _spread(variant["change"].get(measure), digits, factor, amount.signed)
            if _changes(variant)
            else "-",
        ]
    return [*cells, amount.signed(paper.ABLATIONS.get(variant["name"]), 2)]


def _spread(
    values: Mapping[str, float | int] | None, digits: int, factor: float | int, form: Any
) -> str:
    if values is None:
        return "-"
    median, low, high = (form(values[n] * factor, digits) for n in ("median", "min", "max"))
    return median if low == high else f"{median} [{low}, {high}]"


def _medians(variant: Mapping[str, Any], measure: str) -> str:
    _, digits, factor = _measure(measure)
    if measure not in variant["figures"]:
        return "-"
    value = amount.decimal(variant["figures"][measure]["median"] * factor, digits)
    change = variant["change"].get(measure, {}).get("median")
    if change is None or not _changes(variant):
        return value
    return f"{value}\n{amount.signed(change * factor, digits)}"
