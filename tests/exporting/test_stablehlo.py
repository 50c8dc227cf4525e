"""stablehlo: the loaded program is the model, for every head and shape, without this package."""

import json
import subprocess
import sys

import jax
import numpy as np
import pytest
from jax import export

from distil_jax.errors import UserError
from distil_jax.exporting.onnx_encoder import input_names
from distil_jax.exporting.stablehlo import FILE, PLATFORMS, export_stablehlo, outputs_of, stablehlo
from distil_jax.exporting.subject import of_head

PRINT = """
import sys
print(np.asarray(logits)[0].tolist())
assert not any(name.startswith(("distil_jax", "flax")) for name in sys.modules)
"""


@pytest.mark.parametrize("model_type", ["bert", "distilbert", "roberta"])
@pytest.mark.parametrize("head", ["masked_lm", "classification", "question_answering"])
def test_every_shape_gives_the_models_outputs(make, rows, model_type, head):
    model = make(model_type, head)
    loaded = export.deserialize(stablehlo(of_head(model)))
    assert set(loaded.platforms) == set(PLATFORMS)
    ids, mask = (array.astype(np.int32) for array in rows)
    for part in (slice(0, 3), slice(1, 2)):
        width = int(mask[part].sum(1).max())
        inputs = [ids[part, :width], mask[part, :width], (ids[part, :width] % 2)]
        inputs = inputs[: len(input_names(model.config))]
        expected = np.asarray(jax.jit(outputs_of(of_head(model)))(*inputs))
        np.testing.assert_allclose(np.asarray(loaded.call(*inputs)), expected, atol=1e-5)
    assert np.ptp(expected) > 0.01


@pytest.mark.parametrize("model_type", ["bert", "distilbert"])
def test_what_the_card_says_runs_without_this_package(make, tmp_path, model_type):
    model = make(model_type, "classification", vocabulary=8000)
    size = export_stablehlo(of_head(model), tmp_path / "out", str(tmp_path), "command")
    assert (tmp_path / "out" / FILE).stat().st_size == size
    card = (tmp_path / "out" / "README.md").read_text()
    program = card.partition("```python\n")[2].partition("```")[0] + PRINT
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path / "out")
    ids = np.asarray([[101, 7592, 102]], np.int32)
    inputs = [ids, np.ones_like(ids), np.zeros_like(ids)][: len(input_names(model.config))]
    expected = np.asarray(jax.jit(outputs_of(of_head(model)))(*inputs))[0]
    np.testing.assert_allclose(json.loads(done.stdout), expected, atol=1e-5)
    assert "tokenizer.json" in {path.name for path in (tmp_path / "out").iterdir()}


def test_the_file_format_needs_flatbuffers(make, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "flatbuffers", None)
    with pytest.raises(
        UserError, match=r"flatbuffers cannot be imported.*pip install -e '\.\[edge\]'"
    ):
        export_stablehlo(of_head(make("bert")), tmp_path / "out", "here", "command")
    assert not list(tmp_path.iterdir())


def test_more_tokens_than_positions_are_refused(make):
    loaded = export.deserialize(stablehlo(of_head(make("distilbert", "classification"))))
    ids = np.full((1, 21), 5, np.int32)
    with pytest.raises(ValueError, match="refining shapes"):
        loaded.call(ids, np.ones_like(ids))


def test_an_existing_target_and_a_missing_head_are_said(make, tmp_path):
    with pytest.raises(UserError, match="exists already"):
        export_stablehlo(of_head(make("bert")), tmp_path, "here", "command")
    with pytest.raises(UserError, match="here has no masked-language-model head or"):
        export_stablehlo(of_head(make("bert", None), "here"), tmp_path / "out", "here", "command")
    assert not list(tmp_path.iterdir())
