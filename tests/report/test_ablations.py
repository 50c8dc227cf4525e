"""ablations: a sweep's table in a terminal of 80 columns, and in a narrow one."""

import io
from typing import Any

import pytest
from rich.console import Console

from distil_jax.report.sections import ablations

NAMES = ("all losses", "without soft targets", "random initialisation")


def spread(value: float) -> dict[str, float]:
    return {"median": value, "min": value, "max": value}


def sweep() -> dict[str, Any]:
    """Of figures that every run has, ten times as large as they mostly are."""
    figures = {name: spread(10.1234) for name in ablations.MEASURES}
    change = {name: spread(-10.5678) for name in ablations.MEASURES}
    return {
        "variants": [
            {"name": name, "figures": figures, "change": change, "changes": ["x"] * bool(number)}
            for number, name in enumerate(NAMES)
        ]
    }


@pytest.mark.parametrize("width", [80, 60])
def test_no_figure_is_cut_or_broken(width: int) -> None:
    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(ablations.terminal(sweep()))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    words = text.split()
    assert [words.count(figure) for figure in ("10.123", "\N{MINUS SIGN}10.568")] == [6, 4]
    assert [words.count(figure) for figure in ("1012.3", "\N{MINUS SIGN}1056.8")] == [9, 6]
    if width == 80:
        assert {word for name in NAMES for word in name.split()} <= {*words}
