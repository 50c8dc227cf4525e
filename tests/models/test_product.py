"""Products of bfloat16 arrays beside those that JAX derives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from distil_jax.models import Encoder, stacking
from distil_jax.models.product import product

SHAPES = {
    "abi,io->abo": ((3, 5, 8), (8, 6)),
    "i,io->o": ((8,), (8, 6)),
    "bhqd,bhkd->bhqk": ((2, 3, 5, 8), (2, 3, 7, 8)),
    "bhqk,bhkd->bhqd": ((2, 3, 5, 7), (2, 3, 7, 8)),
}


def arrays(spec, dtype):
    keys = jax.random.split(jax.random.key(0))
    return [
        jax.random.normal(key, shape).astype(dtype)
        for key, shape in zip(keys, SHAPES[spec], strict=True)
    ]


def difference(one, other):
    one, other = (np.asarray(each, np.float64) for each in (one, other))
    return np.linalg.norm(one - other) / np.linalg.norm(other)


@pytest.mark.parametrize("spec", SHAPES)
@pytest.mark.parametrize("result", ["bfloat16", "float32"])
def test_values_and_gradients_are_those_of_float32_rounded(spec, result):
    operands = arrays(spec, jnp.bfloat16)
    wide = [each.astype(jnp.float32) for each in operands]
    exact, pull_exact = jax.vjp(lambda *both: jnp.einsum(spec, *both), *wide)
    ours, pull = jax.vjp(lambda *both: product(spec, *both, result), *operands)
    assert ours.dtype == result
    assert difference(ours, exact) < (1e-6 if result == "float32" else 4e-3)
    slope = jax.random.normal(jax.random.key(1), exact.shape).astype(jnp.bfloat16)
    gradients = pull(slope.astype(ours.dtype))
    for mine, theirs in zip(gradients, pull_exact(slope.astype(jnp.float32)), strict=True):
        assert mine.dtype == jnp.bfloat16
        assert difference(mine, theirs) < 4e-3


@pytest.mark.parametrize("spec", SHAPES)
def test_float32_is_einsum_to_the_bit(spec):
    left, right = arrays(spec, jnp.float32)
    expected = jnp.einsum(spec, left, right)
    assert np.array_equal(product(spec, left, right, jnp.float32), expected)


def test_every_product_of_a_layer_and_of_its_gradient_takes_bfloat16(config, params, batch):
    encoder = Encoder(config, dtype=jnp.bfloat16)

    def loss(params):
        hidden = encoder.apply({"params": params}, batch)
        return jnp.sum(jnp.square(hidden.astype(jnp.float32)))

    program = jax.jit(jax.grad(loss)).lower(stacking.unstack(params["encoder"])).as_text()
    products = [line for line in program.splitlines() if "stablehlo.dot_general" in line]
    # Six dense maps and two products of attention, each with two gradients.
    assert len(products) >= 24 * config.layers - 1
    for line in products:
        operands = line.rsplit(" : ", 1)[1].split("->")[0]
        assert "bf16" in operands, line
        assert "f32" not in operands, line
