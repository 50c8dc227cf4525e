"""loss_curves: the picture of a run, whatever of it there is."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from distil_jax.configuration.objective_table import labels
from distil_jax.report.document import PageSection, Pictures
from distil_jax.report.report_data import ReportData
from distil_jax.report.runs import Run
from distil_jax.report.sections import loss_curves

LABELS = labels()
INITIAL = {"loss": 9.0, "soft_target": 2.0, "masked_lm": 5.0, "cosine": 0.5}
LINES = [
    {"step": 1, "loss": 8.0, "soft_target": 1.5, "masked_lm": 4.0, "cosine": 0.4},
    {"step": 2, "loss": 7.0, "soft_target": 1.0, "masked_lm": 3.0, "cosine": 0.3,
     "validation_loss": 7.5, "validation_masked_lm": 3.5},
]  # fmt: skip


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are saved."""
    figures: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *arguments: object, **options: object) -> None:
        figures.append(figure)
        save(figure, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures


def test_each_loss_has_a_panel_with_training_and_held_out_values(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    loss_curves.draw_file(LINES, INITIAL, LABELS, tmp_path / "curves.png", title="t")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    (figure,) = drawn
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == [
        "weighted loss",
        *(LABELS[name] for name in ("soft_target", "masked_lm", "cosine")),
    ]
    training, held_out = figure.axes[2].get_lines()
    assert list(training.get_ydata()) == [4.0, 3.0]
    assert (list(held_out.get_xdata()), list(held_out.get_ydata())) == ([0, 2], [5.0, 3.5])


def test_a_loss_that_is_always_0_has_no_panel(tmp_path: Path, drawn: list[Figure]) -> None:
    lines = [{**line, "soft_target": 0.0, "cosine": 0.0} for line in LINES]
    loss_curves.draw_file(
        lines, {"loss": 9.0, "masked_lm": 5.0}, LABELS, tmp_path / "curves.png", title="t"
    )
    assert [axes.get_title() for axes in drawn[0].axes] == ["weighted loss", "masked LM (nats)"]


def test_the_same_run_gives_the_same_file(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        loss_curves.draw_file(LINES, INITIAL, LABELS, tmp_path / name, title="t")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_run_without_a_logged_step_has_a_picture_too(tmp_path: Path) -> None:
    loss_curves.draw_file([], INITIAL, LABELS, tmp_path / "curves.png", title="t")
    assert (tmp_path / "curves.png").is_file()


def test_runs_lie_over_each_other_and_differ_without_their_colours() -> None:
    runs = [
        Run(name, name, {}, {}, INITIAL, LINES[: number + 1], objectives=LABELS)
        for number, name in enumerate(("one", "two"))
    ]
    part = loss_curves.section(ReportData(runs=runs))
    assert isinstance(part, PageSection)
    pictures = part.blocks[0]
    assert isinstance(pictures, Pictures)
    picture = pictures.pictures[0]
    assert picture.title == "weighted loss"
    assert "one: held out 9 at first, 9 at last; two: held out 9" in picture.description
    figure = picture.figure
    (axes,) = figure.axes
    held_out = axes.get_lines()[1::2]
    assert [line.get_marker() for line in held_out] == ["o", "s"]
    assert len({line.get_color() for line in axes.get_lines()}) == 2
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["one", "two"]
    assert [line.get_marker() for line in legend.get_lines()] == ["o", "s"]
