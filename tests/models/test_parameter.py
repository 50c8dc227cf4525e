import jax
import jax.numpy as jnp
import pytest
from flax import linen as nn
from flax.errors import ScopeParamNotFoundError, ScopeParamShapeError

from distil_jax.models.parameter import parameter


class Scaled(nn.Module):
    shape: tuple[int, ...] = (3,)

    @nn.compact
    def __call__(self, x):
        return x * parameter(self, "scale", self.initial, self.shape)

    def initial(self, key, shape):
        drawn.append(shape)
        return jnp.full(shape, 2.0)


drawn: list[tuple[int, ...]] = []


def test_a_given_value_is_taken_without_its_initializer():
    drawn.clear()
    params = Scaled().init(jax.random.key(0), jnp.ones(3))
    assert (params["params"]["scale"].tolist(), drawn) == ([2.0] * 3, [(3,)])
    scaled = Scaled().apply({"params": {"scale": jnp.arange(3.0)}}, jnp.ones(3))
    assert (scaled.tolist(), len(drawn)) == ([0, 1, 2], 1)


def test_a_missing_value_or_one_of_another_shape_is_flaxs_error():
    with pytest.raises(ScopeParamShapeError, match="scale"):
        Scaled().apply({"params": {"scale": jnp.ones(4)}}, jnp.ones(3))
    with pytest.raises(ScopeParamNotFoundError, match="scale"):
        Scaled().apply({"params": {"other": jnp.ones(3)}}, jnp.ones(3))
