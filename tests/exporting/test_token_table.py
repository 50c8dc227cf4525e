"""table: numbers in int8, and the products made of them."""

import numpy as np
import onnx
import onnxruntime

from distil_jax.exporting.subject import of_head
from distil_jax.exporting.token_table import quantised_rows


def test_each_row_has_its_own_scale_and_half_a_step_of_error():
    values = np.random.default_rng(0).normal(size=(6, 32)).astype(np.float32)
    values *= np.logspace(-3, 2, 6, dtype=np.float32)[:, None]
    for largest in (127, 64):
        numbers, scales = quantised_rows(values, largest)
        assert np.abs(numbers).max(axis=1).tolist() == [largest] * 6
        error = np.abs(numbers * scales[:, None] - values)
        assert (error <= 0.5001 * scales[:, None]).all()


def test_a_row_of_zeros_stays_zero():
    numbers, scales = quantised_rows(np.zeros((1, 4), np.float32), 127)
    assert not numbers.any()
    assert np.isfinite(scales).all()


def test_looked_up_rows_and_the_decoder_are_near_the_float_ones(make, rows):
    from distil_jax.exporting.onnx_model import onnx_model

    model, (tokens, mask) = make("distilbert", hidden_size=64, heads=4), rows
    inputs = {"input_ids": tokens, "attention_mask": mask.astype(np.int64)}
    outputs = []
    for largest in (None, 127):
        proto = onnx_model(of_head(model), table_largest=largest)
        onnx.checker.check_model(proto, full_check=True)
        session = onnxruntime.InferenceSession(proto.SerializeToString())
        outputs.append(session.run(None, inputs)[0][mask])
    difference = outputs[1] - outputs[0]
    assert 0 < np.sqrt(np.mean(difference**2)) < 0.02 * outputs[0].std()
