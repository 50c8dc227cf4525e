"""A narrower student under objectives of intermediate layers, from command line to folder."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from distil_jax import pretrained
from distil_jax.main import main

pytestmark = pytest.mark.usefixtures("blank_figures")


@pytest.mark.slow
def test_a_narrower_student_with_projections(
    tmp_path: Path, flags: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    changes = {
        "student.hidden_size": 16,
        "loss.cosine": 0,
        "loss.relations": 1,
        "loss.hidden_mse": 1,
        "loss.options.hidden_mse.layers": "0:0,1:2,2:4",
        "eval.every_steps": 12,
        "checkpoint.every_steps": 12,
    }
    main(flags(tmp_path / "run", **changes))
    printed = capsys.readouterr().out
    assert "hidden_mse: teacher layer -> student layer 0 -> 0, 2 -> 1, 4 -> 2" in printed
    assert "projections: 3 matrices, 1,536 parameters" in printed
    student = pretrained.load(tmp_path / "run" / "student")
    assert (student.config.hidden_size, student.config.heads) == (16, 2)
    assert set(student.params) == {"encoder", "head"}
    about = json.loads((tmp_path / "run" / "checkpoints" / "12" / "about.json").read_text())
    saved = [name for name in about["leaves"] if name.startswith("params/objectives/")]
    assert len(saved) == 3
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["layers"] == {
        "first weights": "1 -> 1, 3 -> 2",
        "relations": "4 -> 2 (query,key,value; 2 heads)",
        "hidden_mse": "0 -> 0, 2 -> 1, 4 -> 2",
    }
    assert "0 -&gt; 0, 2 -&gt; 1, 4 -&gt; 2" in (tmp_path / "run" / "report.html").read_text()
    main(flags(tmp_path / "run", **changes))
    assert "finished already" in capsys.readouterr().out
