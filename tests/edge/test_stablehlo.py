"""stablehlo: the loaded program is the model, for every head and shape, without this package."""

import json
import subprocess
import sys

import jax
import numpy as np
import pytest
from jax import export

from distil_jax.edge.encoder import input_names
from distil_jax.edge.stablehlo import FILE, PLATFORMS, export_stablehlo, outputs_of, stablehlo
from distil_jax.errors import UserError

pytestmark = pytest.mark.usefixtures("quick_compilation")

WITHOUT_THE_PACKAGE = """
import sys
from pathlib import Path
import numpy as np
from jax import export
model = export.deserialize(bytearray(Path(sys.argv[1]).read_bytes()))
ids = np.asarray([[5, 6, 7]], np.int32)
print(np.asarray(model.call(ids, np.ones_like(ids)))[0].tolist())
assert not any(name.startswith(("distil_jax", "flax")) for name in sys.modules)
"""


@pytest.mark.parametrize("model_type", ["bert", "distilbert", "roberta"])
@pytest.mark.parametrize("head", ["masked_lm", "classification", "span"])
def test_every_shape_gives_the_models_outputs(make, rows, model_type, head):
    model = make(model_type, head)
    loaded = export.deserialize(stablehlo(model))
    assert set(loaded.platforms) == set(PLATFORMS)
    ids, mask = (array.astype(np.int32) for array in rows)
    for part in (slice(0, 3), slice(1, 2)):
        width = int(mask[part].sum(1).max())
        inputs = [ids[part, :width], mask[part, :width], (ids[part, :width] % 2)]
        inputs = inputs[: len(input_names(model.config))]
        expected = np.asarray(jax.jit(outputs_of(model))(*inputs))
        np.testing.assert_allclose(np.asarray(loaded.call(*inputs)), expected, atol=1e-5)
    assert np.ptp(expected) > 0.01


def test_a_server_needs_jax_alone(make, tmp_path):
    model = make("distilbert", "classification")
    size = export_stablehlo(model, tmp_path / "out", "here", "command")
    file = tmp_path / "out" / FILE
    assert file.stat().st_size == size
    command = [sys.executable, "-c", WITHOUT_THE_PACKAGE, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    ids = np.asarray([[5, 6, 7]], np.int32)
    expected = np.asarray(jax.jit(outputs_of(model))(ids, np.ones_like(ids)))[0]
    np.testing.assert_allclose(json.loads(done.stdout), expected, atol=1e-5)
    assert "tokenizer.json" in {path.name for path in (tmp_path / "out").iterdir()}


def test_more_tokens_than_positions_are_refused(make):
    loaded = export.deserialize(stablehlo(make("distilbert", "classification")))
    ids = np.full((1, 21), 5, np.int32)
    with pytest.raises(ValueError, match="refining shapes"):
        loaded.call(ids, np.ones_like(ids))


def test_an_existing_target_and_a_missing_head_are_said(make, tmp_path):
    with pytest.raises(UserError, match="exists already"):
        export_stablehlo(make("bert"), tmp_path, "here", "command")
    with pytest.raises(UserError, match="here has no head"):
        export_stablehlo(make("bert", None), tmp_path / "out", "here", "command")
    assert not list(tmp_path.iterdir())
