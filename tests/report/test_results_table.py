"""results_table: one row per model, in the terminal and in Markdown."""

import io

from rich.console import Console

from distil_jax.report import results_table

RESULTS = {
    "teacher": {"parameters": 1234567, "masked_lm": 2.5, "accuracy": 0.5, "agreement": 1.0},
    "student, distilled": {"masked_lm": 3.14159, "sentences_per_second": 1234.5},
}


def test_figures_have_their_units_and_missing_ones_are_dashes() -> None:
    assert results_table.rows(RESULTS) == [
        ["teacher", "1,234,567", "2.500", "50.0%", "100.0%", "-"],
        ["student, distilled", "-", "3.142", "-", "-", "1,234"],
    ]


def test_markdown_has_a_head_and_a_line_for_each_model() -> None:
    lines = results_table.markdown(RESULTS).splitlines()
    assert len(lines) == 4
    assert lines[0].count("|") == lines[1].count("|") == lines[2].count("|") == 7
    assert lines[3].startswith("| student, distilled | - | 3.142 |")


def test_nothing_is_cut_or_wrapped_in_a_terminal_of_80_columns() -> None:
    longest = {"student, initialised": {key: 123456789.0 for key, _, _ in results_table.COLUMNS}}
    longest["student, initialised"] |= {"accuracy": 1.0, "agreement": 1.0, "masked_lm": 10.0}
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(results_table.terminal(longest))
    text = console.export_text()
    assert "…" not in text
    assert text.splitlines()[-1].split("  ")[0] == "student, initialised"
    assert text.splitlines()[-1].split()[-1] == "123,456,789"
    assert len(text.splitlines()) == 4


def test_for_a_card_each_figure_has_a_name() -> None:
    figures = results_table.by_model(RESULTS)
    assert figures["teacher: held-out MLM loss"] == "2.500"
    assert "student, distilled: parameters" not in figures
