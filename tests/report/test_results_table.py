"""results_table: one row per model, in the terminal and in Markdown."""

import io

import pytest
from rich.console import Console

from distil_jax.configuration import objective_table
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


LANGUAGE = {"masked_lm": 10.0, "accuracy": 1.0, "agreement": 1.0}
VECTORS = {"vector_cosine": 1.9999, "similarity_mse": 3.99999, "similarity_kl": 99.9999}


@pytest.mark.parametrize(
    "figures", [LANGUAGE, {"causal_lm": 10.0, "accuracy": 1.0, "agreement": 1.0}, VECTORS]
)
def test_nothing_is_cut_or_wrapped_in_a_terminal_of_80_columns(figures: dict[str, float]) -> None:
    most = {"parameters": 123456789, **figures, "sentences_per_second": 123456}
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(results_table.terminal({"student, initialised": most}, width=80))
    text = console.export_text()
    assert "…" not in text
    assert text.splitlines()[-1].split("  ")[0] == "student, initialised"
    assert text.splitlines()[-1].split()[-1] == "123,456"
    titles = [title for _, title, _ in results_table.columns({"student": most})]
    assert len(text.splitlines()) == 1 + max(len(title.split()) for title in titles)


def test_many_figures_have_a_line_each() -> None:
    models = ("teacher", "student, initialised", "student, distilled")
    every = {key: 123456789.0 for key, _, _ in results_table.every_column()}
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(results_table.terminal(dict.fromkeys(models, every), width=80))
    lines = console.export_text().splitlines()
    assert not any("…" in line for line in lines)
    assert len(lines) == 2 + len(every)
    assert lines[2].split() == ["parameters", *["123,456,789"] * 3]


@pytest.mark.parametrize("width", [60, 40])
def test_no_figure_is_cut_in_a_narrow_terminal(width: int) -> None:
    models = ("teacher", "student, initialised", "student, distilled")
    most = {"parameters": 123456789.0, **LANGUAGE, "sentences_per_second": 1234.0}
    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(results_table.terminal(dict.fromkeys(models, most), width=width))
    text = console.export_text()
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    if width == 60:
        assert text.splitlines()[-1].split() == ["sentences/s", *["1,234"] * 3]
    else:
        assert text.replace("\n", "").count("%") == 6


def test_for_a_card_each_figure_has_a_name() -> None:
    figures = results_table.by_model(RESULTS)
    assert figures["teacher: held-out MLM loss"] == "2.500"
    assert "student, distilled: parameters" not in figures


def test_a_causal_models_accuracy_is_not_of_masked_tokens() -> None:
    causal = {"student": {"causal_lm": 3.0, "accuracy": 0.25}}
    assert list(results_table.by_model(causal)) == [
        "student: held-out LM loss",
        "student: held-out LM accuracy",
    ]
    assert "held-out MLM accuracy" in results_table.markdown(RESULTS)


def test_a_registered_objective_of_vectors_has_a_column() -> None:
    entry = objective_table.ObjectiveEntry(
        "own_vectors", "nowhere", 0.0, "of vectors", title="own distance", of_vectors=True, digits=2
    )
    objective_table.register(entry)
    try:
        assert results_table.columns({"student": {"own_vectors": 0.5}}) == [
            ("own_vectors", "held-out own distance", "{:.2f}")
        ]
    finally:
        objective_table.unregister("own_vectors")
