import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from distil_jax.errors import UserError
from distil_jax.models.activation import ACTIVATIONS, activation, gelu


def test_gelu_is_x_times_the_normal_distribution_function():
    x = np.linspace(-9, 9, 1001, dtype=np.float32)
    np.testing.assert_allclose(gelu(jnp.asarray(x)), x * norm.cdf(x), atol=2e-6)


def test_gelu_has_the_exact_slope_in_both_modes():
    x = np.linspace(-9, 9, 1001, dtype=np.float32)
    expected = norm.cdf(x) + x * norm.pdf(x)
    backward = jax.vmap(jax.grad(gelu))(jnp.asarray(x))
    _, forward = jax.jvp(gelu, (jnp.asarray(x),), (jnp.ones_like(x),))
    np.testing.assert_allclose(backward, expected, atol=2e-6)
    np.testing.assert_allclose(forward, expected, atol=2e-6)


def test_gelu_in_bfloat16_is_the_rounded_float32():
    x = jnp.linspace(-4, 4, 101, dtype=jnp.bfloat16)
    expected = gelu(x.astype(jnp.float32)).astype(jnp.bfloat16)
    np.testing.assert_array_equal(gelu(x), expected)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_name_means_what_it_means_in_transformers(name):
    import torch
    from transformers.activations import ACT2FN

    x = np.linspace(-9, 9, 1001, dtype=np.float32)
    expected = ACT2FN[name](torch.tensor(x)).numpy()
    np.testing.assert_allclose(activation(name)(jnp.asarray(x)), expected, atol=2e-6)


def test_an_unknown_activation_is_named():
    with pytest.raises(UserError, match="'snake' is not supported; use one of gelu"):
        activation("snake")
