"""The short table a run ends with."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from distil_jax.configuration.objective_table import figures_of_vectors

OF_TOKENS = (
    ("parameters", "parameters", "{:,.0f}"),
    ("masked_lm", "held-out MLM loss", "{:.3f}"),
    ("causal_lm", "held-out LM loss", "{:.3f}"),
    ("accuracy", "held-out MLM accuracy", "{:.1%}"),
    ("agreement", "agreement with teacher", "{:.1%}"),
)
RATE = ("sentences_per_second", "sentences/s", "{:,.0f}")

CAUSAL_TITLES = {"accuracy": "held-out LM accuracy"}
"""In place of those of masked language models."""

MOST_COLUMNS = 5
"""Figures that are easily read beside a model's name."""
WIDE = 10_000


def every_column() -> list[tuple[str, str, str]]:
    """All figures that a table may have, those of registered objectives of vectors, too."""
    return [*OF_TOKENS, *figures_of_vectors(), RATE]


def columns(results: Mapping[str, Mapping[str, float | int]]) -> list[tuple[str, str, str]]:
    """Key, title and form of the figures that any of the models has."""
    given = {key for each in results.values() for key in each}
    titles = CAUSAL_TITLES if "causal_lm" in given else {}
    return [
        (key, titles.get(key, title), form) for key, title, form in every_column() if key in given
    ]


def rows(
    results: Mapping[str, Mapping[str, float | int]],
    shown: Sequence[tuple[str, str, str]] | None = None,
) -> list[list[str]]:
    """One row per model, of all `columns` or of those; a figure that a model lacks is a dash."""
    shown = columns(results) if shown is None else shown
    return [
        [name, *(form.format(values[key]) if key in values else "-" for key, _, form in shown)]
        for name, values in results.items()
    ]


def terminal(results: Mapping[str, Mapping[str, float | int]], *, width: int) -> Table:
    """For a terminal so wide: a row per model, or per figure where that is too wide.

    Where that is, too, figures are wrapped, and none is cut.
    """
    shown = columns(results)
    by_model, by_figure = _table(), _table()
    for _, label, _ in shown:
        _add_column(by_model, label.replace(" ", "\n"))
    for row in rows(results, shown):
        by_model.add_row(*row)
    if len(shown) <= MOST_COLUMNS and _width(by_model) <= width:
        return by_model
    for name in results:
        _add_column(by_figure, name.replace(", ", ",\n"))
    for column in shown:
        by_figure.add_row(column[1], *(row[1] for row in rows(results, [column])))
    return by_figure


def _table() -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(overflow="fold")
    return table


def _add_column(table: Table, title: str) -> None:
    table.add_column(title, justify="right", vertical="bottom", overflow="fold")


def _width(table: Table) -> int:
    """Columns that it takes where there is no end of them."""
    console = Console(width=WIDE)
    return console.measure(table).maximum


def markdown(results: Mapping[str, Mapping[str, float | int]]) -> str:
    """For model cards and reports."""
    shown = columns(results)
    head = ["", *(label for _, label, _ in shown)]
    lines = [head, ["---"] + ["---:"] * len(shown), *rows(results)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def by_model(results: Mapping[str, Mapping[str, float | int]]) -> dict[str, str]:
    """`model: figure` to its text, for model cards."""
    return {
        f"{name}: {label}": form.format(values[key])
        for name, values in results.items()
        for key, label, form in columns(results)
        if key in values
    }
