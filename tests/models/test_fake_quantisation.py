"""fake_quantisation: int8's arithmetic going forward, nothing of it going back."""

import jax
import jax.numpy as jnp
import numpy as np

from distil_jax.exporting.token_table import quantised_rows
from distil_jax.models.dense import Dense, Norm
from distil_jax.models.fake_quantisation import (
    LARGEST,
    quantised_inputs,
    quantised_params,
    rounded_inputs,
    rounded_weights,
)

DRAW = np.random.default_rng(0)
WEIGHTS = DRAW.normal(size=(3, 6, 4)).astype(np.float32)
INPUTS = (DRAW.normal(size=(5, 6)) * 3 + 1).astype(np.float32)


def in_bytes(x):
    """ONNX's DynamicQuantizeLinear and back."""
    low, high = min(0.0, x.min()), max(0.0, x.max())
    scale = (high - low) / 255
    zero = np.clip(np.rint(-low / scale), 0, 255)
    return (np.clip(np.rint(x / scale) + zero, 0, 255) - zero) * scale


def test_weights_are_what_the_export_stores_of_them():
    for number, kernel in enumerate(WEIGHTS):
        numbers, scales = quantised_rows(kernel.T.copy(), LARGEST)
        found = rounded_weights(jnp.asarray(WEIGHTS), -2)[number]
        np.testing.assert_allclose(found, (numbers * scales[:, None]).T, atol=1e-6)
    assert not np.asarray(rounded_weights(jnp.zeros((2, 2)), -1)).any()


def test_inputs_are_rounded_as_onnx_does():
    for x in (INPUTS, np.abs(INPUTS) + 1, -np.abs(INPUTS) - 1):
        np.testing.assert_allclose(rounded_inputs(jnp.asarray(x)[None])[0], in_bytes(x), atol=1e-5)
    assert not np.asarray(rounded_inputs(jnp.zeros((2, 2)))).any()


def test_a_row_is_rounded_by_its_own_range_whatever_stands_beside_it():
    """So a batch gives the same whichever way it is divided."""
    rows = jnp.asarray(np.stack([INPUTS, 100 * INPUTS[::-1]]))
    together = rounded_inputs(rows)
    for row, found in zip(rows, together, strict=True):
        np.testing.assert_allclose(found, rounded_inputs(row[None])[0], rtol=1e-6)


def test_gradients_pass_as_if_nothing_were_rounded():
    factors = jnp.asarray(WEIGHTS[0])

    def loss(value, rounding):
        return jnp.sum(rounding(value) * factors)

    for rounding in (lambda x: rounded_weights(x, -1), rounded_inputs):
        gradient = jax.grad(loss)(jnp.asarray(WEIGHTS[1]), rounding)
        np.testing.assert_array_equal(gradient, factors)


def test_kernels_and_token_tables_are_rounded_and_nothing_else():
    params = {
        "encoder": {
            "embeddings": {"tokens": WEIGHTS[0], "positions": WEIGHTS[1]},
            "layers": [{"mlp_in": {"kernel": WEIGHTS[2], "bias": WEIGHTS[2][0]}}],
        },
        "head": {"table": WEIGHTS[1]},
    }
    found = quantised_params(jax.tree.map(jnp.asarray, params))
    changed = jax.tree.map(lambda a, b: bool(np.any(np.asarray(a) != b)), found, params)
    assert changed == {
        "encoder": {
            "embeddings": {"tokens": True, "positions": False},
            "layers": [{"mlp_in": {"kernel": True, "bias": False}}],
        },
        "head": {"table": True},
    }
    by_row = rounded_weights(jnp.asarray(WEIGHTS[0]), -1)
    np.testing.assert_array_equal(found["encoder"]["embeddings"]["tokens"], by_row)


def test_products_round_what_they_multiply_only_within():
    dense, norm = Dense(4, 0.02), Norm(1e-5)
    params = {"params": {"kernel": WEIGHTS[0], "bias": WEIGHTS[0][0]}}
    scale = {"params": {"scale": np.ones(6), "bias": np.zeros(6)}}
    with quantised_inputs():
        within = dense.apply(params, jnp.asarray(INPUTS)[None])[0]
        normed = norm.apply(scale, jnp.asarray(INPUTS))
    expected = in_bytes(INPUTS) @ WEIGHTS[0] + WEIGHTS[0][0]
    np.testing.assert_allclose(within, expected, atol=1e-4)
    np.testing.assert_array_equal(normed, norm.apply(scale, jnp.asarray(INPUTS)))
    plain = INPUTS @ WEIGHTS[0] + WEIGHTS[0][0]
    np.testing.assert_allclose(dense.apply(params, jnp.asarray(INPUTS)), plain, atol=1e-4)
    assert np.abs(np.asarray(within) - plain).max() > 1e-3
