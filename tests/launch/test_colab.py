"""colab_tpu.ipynb: executed from top to bottom, with settings that fit two CPU cores."""

import base64
import re
import zipfile
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from tests import code_generation

NOTEBOOK = Path(__file__).parents[2] / "launch" / "colab_tpu.ipynb"
FLAGS = {
    "total_steps": 6,
    "batch.size": 8,
    "batch.micro_size": 8,
    "optimizer.learning_rate": 0.01,
    "eval.every_steps": 3,
    "log.every_steps": 1,
}


@pytest.fixture
def notebook() -> Any:
    return nbformat.read(NOTEBOOK, as_version=nbformat.NO_CONVERT)


@pytest.fixture
def settings(teacher_folder: Path, text_file: Path) -> dict[str, Any]:
    return {
        "TEACHER": str(teacher_folder),
        "TEXT": str(text_file),
        "LENGTH": 32,
        "FLAGS": [f"--config.{key}={value}" for key, value in FLAGS.items()],
        "LEARNING_RATE": 0.003,
        "WORKDIR": "my runs",
        "SENTENCE": """the `old` "city" isn't in the [MASK] $HOME""",
    }


@pytest.fixture
def one_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine of its own; the kernel and what it starts inherit it."""
    monkeypatch.setenv("XLA_FLAGS", code_generation.FLAGS)


def with_settings(notebook: Any, settings: dict[str, Any]) -> Any:
    """A cell that sets them after the one that is tagged `parameters`, as papermill does it."""
    (place,) = (
        number
        for number, cell in enumerate(notebook.cells)
        if "parameters" in cell.metadata.get("tags", [])
    )
    source = "\n".join(f"{name} = {value!r}" for name, value in settings.items())
    notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(source, id="injected"))
    return notebook


def execute(notebook: Any, folder: Path) -> None:
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(
        notebook, timeout=600, startup_timeout=300, kernel_name="python3", resources=resources
    ).execute()


def printed(notebook: Any, cell: str) -> str:
    (outputs,) = (one.outputs for one in notebook.cells if one.id == cell)
    return "".join(output.text for output in outputs if output.output_type == "stream")


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_it_is_valid_and_holds_nothing_that_was_executed(notebook: Any) -> None:
    nbformat.validate(notebook)
    for cell in code_cells(notebook):
        assert (cell.outputs, cell.execution_count) == ([], None), cell.id


def test_every_cell_has_a_text_before(notebook: Any) -> None:
    for before, cell in zip(notebook.cells, notebook.cells[1:], strict=False):
        if cell.cell_type == "code":
            assert before.cell_type == "markdown", cell.id


def test_no_command_can_fail_unnoticed(notebook: Any) -> None:
    """IPython goes on after a failing !command or %pip."""
    for cell in code_cells(notebook):
        assert not re.search(r"^\s*(!|%pip|.*= *!)", cell.source, re.MULTILINE), cell.id


@pytest.mark.slow
@pytest.mark.usefixtures("one_device")
def test_it_runs_from_top_to_bottom(
    notebook: Any, settings: dict[str, Any], tmp_path: Path
) -> None:
    (export,) = (cell for cell in notebook.cells if cell.id == "export")
    notebook.cells.append(nbformat.v4.new_code_cell(export.source, id="again"))
    execute(with_settings(notebook, settings), tmp_path)
    assert "step 6/6" in printed(notebook, "distil")
    assert "student, distilled" in printed(notebook, "distil")
    (distil,) = (cell for cell in notebook.cells if cell.id == "distil")
    (picture,) = (one.data for one in distil.outputs if one.output_type == "display_data")
    assert base64.b64decode(picture["image/png"]).startswith(b"\x89PNG")
    assert re.search(r"teacher \(.*model \(.* shared", printed(notebook, "fill"))
    for model in ("student, 2 layers", "teacher, 4 layers"):
        assert re.search(rf"{model}.* sentences/s at .* MB", printed(notebook, "speed"))
    fallen = re.search(r"loss ([\d.]+) -> ([\d.]+)", printed(notebook, "losses"))
    assert fallen is not None
    assert float(fallen[2]) < 0.9 * float(fallen[1])
    for turn in ("export", "again"):
        assert "int8" in printed(notebook, turn)
        assert settings["SENTENCE"] in printed(notebook, turn)
    with zipfile.ZipFile(tmp_path / "student.zip") as archive:
        assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(archive.namelist())
    assert "edge.zip" in printed(notebook, "download")


@pytest.mark.usefixtures("one_device")
def test_a_failing_command_stops_it(
    notebook: Any, settings: dict[str, Any], tmp_path: Path
) -> None:
    with_settings(notebook, settings | {"TEXT": "missing.txt"})
    with pytest.raises(CellExecutionError, match="returned non-zero exit status 1"):
        execute(notebook, tmp_path)
    assert "error: input missing.txt matches no text file" in printed(notebook, "rows")
    assert [cell.execution_count for cell in notebook.cells if cell.id == "distil"] == [None]
