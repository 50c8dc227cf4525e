"""stacking: layers in a stack or apart compute the same, and go back and forth bit for bit."""

import jax
import numpy as np
import optax

from distil_jax.models import Encoder
from distil_jax.models.stacking import stack, unstack
from tests.forward import forward


def test_layers_apart_give_the_encoders_hidden_states(config, params, batch) -> None:
    expected = forward(Encoder(config), params["encoder"], batch)
    apart = unstack(params)["encoder"]
    assert len(apart["layers"]) == config.layers
    np.testing.assert_allclose(forward(Encoder(config), apart, batch), expected, rtol=0, atol=1e-6)


def test_an_optimizers_state_goes_back_and_forth_bit_for_bit(params) -> None:
    state = optax.adamw(1e-3).init(params)
    state = jax.tree.map(lambda leaf: leaf + np.arange(leaf.size).reshape(leaf.shape), state)
    apart = unstack(state)
    assert len(jax.tree.leaves(apart)) > len(jax.tree.leaves(state))
    assert jax.tree.structure(unstack(apart)) == jax.tree.structure(apart)
    again = stack(apart)
    assert jax.tree.structure(again) == jax.tree.structure(state)
    for found, expected in zip(jax.tree.leaves(again), jax.tree.leaves(state), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert jax.tree.structure(stack(state)) == jax.tree.structure(state)
