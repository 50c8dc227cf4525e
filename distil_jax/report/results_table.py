"""The short table a run ends with."""

from collections.abc import Mapping, Sequence

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
"""Figures that fit beside a model's name."""


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


def terminal(results: Mapping[str, Mapping[str, float | int]]) -> Table:
    """For a terminal of 80 columns: a row per model, or per figure where there are many."""
    shown = columns(results)
    table = Table(box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    if len(shown) > MOST_COLUMNS:
        for name in results:
            table.add_column(name.replace(", ", ",\n"), justify="right", vertical="bottom")
        for column in shown:
            table.add_row(column[1], *(row[1] for row in rows(results, [column])))
        return table
    for _, label, _ in shown:
        table.add_column(label.replace(" ", "\n"), justify="right", vertical="bottom")
    for row in rows(results, shown):
        table.add_row(*row)
    return table


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
