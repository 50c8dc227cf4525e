"""optimizer: every one of the table learns, goes on exactly, and leaves alone what is frozen."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from distil_jax.configuration.optimizer_table import OPTIMIZERS
from distil_jax.configuration.schema import Optimizer
from distil_jax.models.stacking import stack, unstack
from distil_jax.training import optimizer
from distil_jax.training.checkpoint import Checkpoints
from distil_jax.training.freezing import stop_frozen_gradients

CONFIG = Optimizer("adamw", 1e-3, "linear", 0.1, 0.2, 0.9, 0.98, 1e-6, 0.0, 0.0)


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


def test_a_constant_schedule_stays_after_the_warm_up() -> None:
    rate = optimizer.schedule(with_values(schedule="constant"), 100)
    assert float(rate(0)) == pytest.approx(1e-4)
    assert float(rate(10)) == float(rate(99)) == pytest.approx(1e-3)


def test_wsd_is_stable_until_its_share_of_the_steps_decays() -> None:
    rate = optimizer.schedule(with_values(schedule="wsd", decay=0.25), 100)
    assert float(rate(0)) == pytest.approx(1e-4)
    assert float(rate(10)) == float(rate(75)) == pytest.approx(1e-3)
    assert float(rate(76)) == pytest.approx(0.96e-3)
    assert float(rate(99)) == pytest.approx(0.04e-3)
    assert float(rate(100)) == 0.0


def tiny_model() -> dict[str, Any]:
    """Two stacked layers and what is around them; one matrix is wide enough to be factored."""
    keys = iter(jax.random.split(jax.random.key(0), 9))

    def random(*shape: int) -> jax.Array:
        return 0.1 * jax.random.normal(next(keys), shape)

    attention = {"kernel": random(2, 128, 136), "bias": jnp.zeros((2, 136))}
    norm = {"scale": jnp.ones((2, 8)), "bias": jnp.zeros((2, 8))}
    embeddings = {"tokens": random(20, 8), "positions": random(6, 8)}
    layers = {"attention": attention, "mlp_in": {"kernel": random(2, 8, 16)}, "mlp_norm": norm}
    return {
        "encoder": {"embeddings": embeddings, "layers": layers},
        "head": {"dense": {"kernel": random(8, 8), "bias": jnp.zeros(8)}},
    }


PARAMS = tiny_model()
TARGET = jax.tree.map(
    lambda leaf: leaf + 0.3 * jax.random.normal(jax.random.key(leaf.size), leaf.shape), PARAMS
)


def distance(params: Any, freeze: str = "none") -> jax.Array:
    left = jax.tree.map(jnp.subtract, stack(stop_frozen_gradients(freeze, params)), TARGET)
    return optax.tree.norm(left, squared=True)


def steps(tx: Any, state: tuple[Any, Any], count: int, freeze: str = "none") -> tuple[Any, Any]:
    @jax.jit
    def step(params: Any, inner: Any) -> tuple[Any, Any]:
        updates, inner = tx.update(jax.grad(distance)(params, freeze), inner, params)
        return optax.apply_updates(params, updates), inner

    for _ in range(count):
        state = step(*state)
    return state


EVERY = pytest.mark.parametrize("name", OPTIMIZERS)
LAYOUTS = pytest.mark.parametrize("layout", [stack, unstack])


@EVERY
@LAYOUTS
def test_each_learns_and_goes_on_exactly_from_a_checkpoint(
    name: str, layout: Any, tmp_path: Path
) -> None:
    tx = optimizer.make(with_values(name=name, learning_rate=0.05, weight_decay=0.01, clip=5.0), 8)
    params = layout(PARAMS)
    begun = steps(tx, (params, tx.init(params)), 4)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(4, stack(begun), config={})
        restored = checkpoints.restore(stack((params, tx.init(params))), 4)
    assert restored is not None
    ended = steps(tx, layout(restored[1]), 4)
    assert float(distance(ended[0])) < 0.9 * float(distance(PARAMS))
    expected = steps(tx, begun, 4)
    assert all(map(np.array_equal, jax.tree.leaves(ended), jax.tree.leaves(expected)))


@EVERY
def test_each_gives_the_same_whether_layers_are_stacked_or_not(name: str) -> None:
    tx = optimizer.make(with_values(name=name, learning_rate=0.01, weight_decay=0.01), 4)
    found = [steps(tx, (layout(PARAMS), tx.init(layout(PARAMS))), 3) for layout in (stack, unstack)]
    one, other = (stack(state) for state in found)
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for ours, theirs in zip(*map(jax.tree.leaves, (one, other)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


@EVERY
@pytest.mark.parametrize("freeze", ["positions", "embeddings"])
def test_each_leaves_what_is_frozen_bit_for_bit(name: str, freeze: str) -> None:
    config = with_values(name=name, learning_rate=0.01, weight_decay=0.1)
    tx = optimizer.make(config, 3, freeze=freeze)
    params, _ = steps(tx, (PARAMS, tx.init(PARAMS)), 3, freeze)
    frozen = {"positions": ("positions",), "embeddings": ("positions", "tokens")}[freeze]
    for table, before in PARAMS["encoder"]["embeddings"].items():
        after = params["encoder"]["embeddings"][table]
        assert np.array_equal(before, after) == (table in frozen)


@EVERY
def test_each_update_is_proportional_to_the_rate(name: str) -> None:
    """Fine-tuning multiplies the update at rate 1 with the rate."""
    gradient = jax.grad(distance)(PARAMS)
    updates = {}
    for rate in (1.0, 0.25):
        config = with_values(
            name=name, learning_rate=rate, weight_decay=0.1, warmup=0.0, schedule="constant"
        )
        tx = optimizer.make(config, 4)
        updates[rate], _ = jax.jit(tx.update)(gradient, tx.init(PARAMS), PARAMS)
    for whole, quarter in zip(*map(jax.tree.leaves, updates.values()), strict=True):
        np.testing.assert_allclose(whole * 0.25, quarter, rtol=1e-6)


@EVERY
def test_each_keeps_its_state_in_float32_whatever_the_parameters_are(name: str) -> None:
    halves = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), PARAMS)
    gradient = jax.grad(distance)(PARAMS)
    tx = optimizer.make(with_values(name=name, weight_decay=0.1), 4)
    before = tx.init(gradient)
    _, after = jax.eval_shape(tx.update, gradient, before, halves)
    types = [jax.tree.map(lambda leaf: leaf.dtype, tree) for tree in (before, after)]
    assert types[0] == types[1]


def test_muon_makes_the_update_of_each_layer_s_matrix_orthogonal() -> None:
    config = with_values(name="muon", learning_rate=1.0, warmup=0.0, schedule="constant")
    tx = optimizer.make(config, 4)
    gradient = jax.grad(distance)(PARAMS)
    updates, _ = jax.jit(tx.update)(gradient, tx.init(PARAMS), PARAMS)
    for layer in updates["encoder"]["layers"]["mlp_in"]["kernel"]:
        values = np.linalg.svd(np.asarray(layer), compute_uv=False) / (0.2 * np.sqrt(16))
        assert np.all((values > 0.3) & (values < 1.4)), values
    # What is no matrix of a layer moves as by Adam with Nesterov momentum.
    assert float(jnp.max(jnp.abs(updates["head"]["dense"]["kernel"]))) == pytest.approx(
        1.4, rel=0.2
    )


def test_adafactor_keeps_rows_and_columns_of_each_layer() -> None:
    state = optimizer.make(with_values(name="adafactor"), 4).init(PARAMS)
    sizes = {leaf.shape for leaf in jax.tree.leaves(state)}
    assert {(2, 128), (2, 136)} < sizes
    assert (2, 128, 136) not in sizes
