"""What `rematerialise` computes again, counted in the program of a gradient."""

import jax
import jax.numpy as jnp
import pytest
from jax.extend.core import Jaxpr, jaxprs_in_params

from distil_jax import models
from distil_jax.kernels.place import Place
from distil_jax.models.types import Params, Rematerialise


@pytest.fixture
def counted(config, params, batch):
    """Returns how often a gradient has a primitive, attention being a kernel."""

    def count(primitive: str, rematerialise: Rematerialise) -> int:
        encoder = models.Encoder(config, False, jnp.bfloat16, rematerialise, kernels=True)
        place = Place.of(jnp.arange(3, dtype=jnp.uint32), 0, 0)

        def loss(weights: Params) -> jax.Array:
            variables = {"params": weights}
            return encoder.apply(variables, batch, train=True, place=place, method="run").last.sum()

        return _within(jax.make_jaxpr(jax.grad(loss))(params["encoder"]).jaxpr, primitive)

    return count


def _within(jaxpr: Jaxpr, primitive: str) -> int:
    """Of a switch of platforms, in its longest branch; not inside kernels."""
    total = 0
    for equation in jaxpr.eqns:
        total += equation.primitive.name == primitive
        if equation.primitive.name != "pallas_call":
            inner = jaxprs_in_params(equation.params)
            total += max((_within(one, primitive) for one in inner), default=0)
    return total


def test_attention_is_computed_again_and_no_product_with_a_weight(counted) -> None:
    once = counted("dot_general", "none")
    assert counted("dot_general", "attention") == once
    assert counted("dot_general", "layer") > once


@pytest.mark.parametrize(
    ("rematerialise", "forward"), [("none", 1), ("attention", 1), ("layer", 2)]
)
def test_the_kernel_runs_forward_once(config, counted, rematerialise, forward: int) -> None:
    """Beside the two of its gradients."""
    assert counted("pallas_call", rematerialise) == (forward + 2) * config.layers
