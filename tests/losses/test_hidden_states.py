"""Distances of hidden states against PyTorch's functions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from distil_jax import losses

RANDOM = np.random.default_rng(0)
STUDENT, TEACHER = jnp.asarray(RANDOM.normal(size=(2, 3, 5, 8)), jnp.float32)
MASK = jnp.arange(5) < jnp.array([[5], [2], [0]])


def test_hidden_mse_is_the_mean_over_tokens_and_width() -> None:
    ours, theirs = (torch.from_numpy(np.array(x[MASK])) for x in (STUDENT, TEACHER))
    found = losses.hidden_mse(STUDENT, TEACHER, MASK)
    assert float(found.value()) == pytest.approx(
        float(torch.nn.functional.mse_loss(ours, theirs)), rel=1e-5
    )


def test_normalized_mse_is_that_of_unit_vectors() -> None:
    ours, theirs = (
        torch.nn.functional.normalize(torch.from_numpy(np.array(x[MASK])), dim=-1)
        for x in (STUDENT, TEACHER)
    )
    expected = ((ours - theirs) ** 2).sum(-1).mean()
    found = losses.normalized_mse(STUDENT, TEACHER, MASK)
    assert float(found.value()) == pytest.approx(float(expected), rel=1e-5)


def test_a_zero_vector_has_a_finite_gradient() -> None:
    def value(states: jax.Array) -> jax.Array:
        return losses.normalized_mse(states, TEACHER, MASK).total

    assert np.isfinite(jax.grad(value)(jnp.zeros_like(STUDENT))).all()
