"""What a student learns in is what onnxruntime computes of its int8 export.

Of one layer: a value that float32 rounds otherwise flips the rounding of the next layers' values.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from distil_jax.exporting import onnx_graphs, quantise
from distil_jax.exporting.onnx_folder import inputs_of, open_session
from distil_jax.exporting.onnx_graphs import GraphSettings
from distil_jax.exporting.subject import of_head
from distil_jax.models import MaskedLM
from distil_jax.models.fake_quantisation import (
    LARGEST,
    quantised_inputs,
    quantised_params,
    rounded_inputs,
)
from tests.forward import forward

TOKENS = np.random.default_rng(1).integers(5, 60, (1, 14))


@pytest.mark.parametrize("family", ["distilbert", "deberta-v2"])
def test_the_rounded_forward_pass_is_the_int8_graph(make, tmp_path, family):
    model = make(family, layers=1, hidden_size=64, mlp_size=96)
    assert quantise.largest(reduce_range=True) == LARGEST
    file = tmp_path / "model.onnx"
    onnx_graphs.write_graph(file, of_head(model), GraphSettings("int8", True, ()))
    session = open_session(str(file))
    inputs = inputs_of(list(TOKENS), pad=0)
    names = {put.name for put in session.get_inputs()}
    expected = session.run(None, {name: inputs[name] for name in names})[0]
    module, tokens = MaskedLM(model.config), jnp.asarray(TOKENS)
    batch = {"tokens": tokens, "segments": jnp.ones_like(tokens)}
    params = jax.tree.map(jnp.asarray, model.params)
    plain = forward(module, params, batch)
    rounded = {"params": quantised_params(params)}
    with quantised_inputs():
        features = module.apply(rounded, batch, method="features")[1]
    found = module.apply(rounded, rounded_inputs(features), method="decode")
    error, lost = (np.abs(np.asarray(each) - expected).mean() for each in (found, plain))
    assert error < 0.25 * lost, (error, lost)
