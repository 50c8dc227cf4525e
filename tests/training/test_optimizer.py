import jax.numpy as jnp
import numpy as np
import optax
import pytest

from distil_jax.configuration.schema import Optimizer
from distil_jax.training import optimizer

CONFIG = Optimizer(1e-3, "linear", 0.1, 0.9, 0.98, 1e-6, 0.0, 0.0)


def with_values(**values: object) -> Optimizer:
    return Optimizer(**{**CONFIG.__dict__, **values})


def test_linear_schedule_warms_up_and_decays_to_zero() -> None:
    rate = optimizer.schedule(CONFIG, 100)
    rates = [float(rate(step)) for step in range(100)]
    assert rates[0] == pytest.approx(1e-4)
    assert rates[9] == rates[10] == pytest.approx(1e-3)
    assert rates[55] == pytest.approx(0.5e-3)
    assert 0 < rates[99] < 2e-5
    assert float(rate(100)) == 0.0


def test_cosine_schedule_is_half_in_the_middle() -> None:
    rate = optimizer.schedule(with_values(schedule="cosine", warmup=0.0), 100)
    assert float(rate(0)) == pytest.approx(1e-3)
    assert float(rate(50)) == pytest.approx(0.5e-3)


def test_weight_decay_spares_biases_and_norms() -> None:
    params = {
        "dense": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)},
        "norm": {"scale": jnp.ones(2)},
    }
    tx = optimizer.make(with_values(weight_decay=0.1, warmup=0.0), 10)
    zero = {
        "dense": {"kernel": jnp.zeros((2, 2)), "bias": jnp.zeros(2)},
        "norm": {"scale": jnp.zeros(2)},
    }
    updates, _ = tx.update(zero, tx.init(params), params)
    assert float(updates["dense"]["kernel"][0, 0]) == pytest.approx(-1e-4)
    assert not np.asarray(updates["dense"]["bias"]).any()
    assert not np.asarray(updates["norm"]["scale"]).any()


def test_clipping_is_by_the_global_norm() -> None:
    gradient = {"kernel": jnp.full((3,), 100.0), "bias": jnp.full((1,), 100.0)}
    config = with_values(clip=5.0, warmup=0.0, epsilon=1.0)
    tx = optimizer.make(config, 10)
    state = tx.init(gradient)
    _, state = tx.update(gradient, state, gradient)
    moments = optax.tree.get(state, "mu")
    assert float(optax.tree.norm(moments)) == pytest.approx(5.0 * 0.1, rel=1e-5)
