"""The short table a run ends with."""

from collections.abc import Mapping

from rich.table import Table

COLUMNS = (
    ("parameters", "parameters", "{:,.0f}"),
    ("masked_lm", "held-out MLM loss", "{:.3f}"),
    ("accuracy", "held-out MLM accuracy", "{:.1%}"),
    ("agreement", "agreement with teacher", "{:.1%}"),
    ("sentences_per_second", "sentences/s", "{:,.0f}"),
)


def rows(results: Mapping[str, Mapping[str, float | int]]) -> list[list[str]]:
    """One row per model; a figure that a model lacks is a dash."""
    return [
        [name, *(form.format(values[key]) if key in values else "-" for key, _, form in COLUMNS)]
        for name, values in results.items()
    ]


def terminal(results: Mapping[str, Mapping[str, float | int]]) -> Table:
    """For a terminal of 80 columns."""
    table = Table(box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    for _, label, _ in COLUMNS:
        table.add_column(label.replace(" ", "\n"), justify="right", vertical="bottom")
    for row in rows(results):
        table.add_row(*row)
    return table


def markdown(results: Mapping[str, Mapping[str, float | int]]) -> str:
    """For model cards and reports."""
    head = ["", *(label for _, label, _ in COLUMNS)]
    lines = [head, ["---"] + ["---:"] * len(COLUMNS), *rows(results)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def by_model(results: Mapping[str, Mapping[str, float | int]]) -> dict[str, str]:
    """`model: figure` to its text, for model cards."""
    return {
        f"{name}: {label}": form.format(values[key])
        for name, values in results.items()
        for key, label, form in COLUMNS
        if key in values
    }
