"""Relations and attention scores against loops in numpy, gradients against a difference."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from distil_jax import losses
from distil_jax.losses import Sides

HEADS = 4
SEGMENTS = jnp.array([[1, 1, 1, 2, 2, 0], [1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0]])
RANDOM = np.random.default_rng(0)


def sides(width: int) -> Sides:
    return Sides(*jnp.asarray(RANDOM.normal(size=(2, *SEGMENTS.shape, width)), jnp.float32))


STUDENT, TEACHER = sides(8), sides(16)


def scores(side: Sides, row: int, head: int) -> np.ndarray:
    size = side.query.shape[-1] // HEADS
    query, key = (np.float64(x[row][:, head * size : (head + 1) * size]) for x in side)
    return query @ key.T / np.sqrt(size)


def expected(formula: str, student: Sides, teacher: Sides) -> float:
    """Token by token, as the papers write it."""
    total = 0.0
    for row, segments in enumerate(np.asarray(SEGMENTS)):
        for head in range(HEADS):
            ours, theirs = scores(student, row, head), scores(teacher, row, head)
            for token in np.flatnonzero(segments):
                keys = segments == segments[token]
                s, t = ours[token, keys], theirs[token, keys]
                if formula == "attention_mse":
                    total += np.mean((s - t) ** 2)
                else:
                    log_t = scipy.special.log_softmax(t)
                    total += np.sum(np.exp(log_t) * (log_t - scipy.special.log_softmax(s)))
    return total / HEADS


@pytest.mark.parametrize("elements", [36, 2**22])
@pytest.mark.parametrize("formula", ["relation_kl", "attention_mse"])
def test_it_is_the_papers_formula(formula: str, elements: int) -> None:
    loss = getattr(losses, formula)
    found = loss(STUDENT, TEACHER, SEGMENTS, heads=HEADS, elements=elements)
    assert int(found.count) == 11
    assert float(found.total) == pytest.approx(expected(formula, STUDENT, TEACHER), rel=1e-5)


@pytest.mark.parametrize("formula", ["relation_kl", "attention_mse"])
def test_the_gradient_is_that_of_the_value(formula: str) -> None:
    """Along a direction, in chunks of three heads, and with keys that are the queries."""

    def value(states: jax.Array) -> jax.Array:
        side = Sides(states, states)
        loss = getattr(losses, formula)
        return 3.0 * loss(side, TEACHER, SEGMENTS, heads=HEADS, elements=3 * 36).total

    states = STUDENT.query
    gradient = jax.jit(jax.grad(value))(states)
    direction = RANDOM.normal(size=states.shape)
    step = 1e-4

    def moved(sign: float) -> float:
        shifted = np.float64(STUDENT.query) + sign * step * direction
        return 3.0 * expected(formula, Sides(shifted, shifted), TEACHER)

    slope = (moved(1) - moved(-1)) / (2 * step)
    assert float(np.sum(np.float64(gradient) * direction)) == pytest.approx(slope, rel=1e-4)
    assert not np.asarray(gradient)[np.asarray(SEGMENTS) == 0].any()


def test_equal_models_have_no_distance() -> None:
    for formula in (losses.relation_kl, losses.attention_mse):
        assert float(formula(TEACHER, TEACHER, SEGMENTS, heads=HEADS).total) == pytest.approx(0)


def test_bfloat16_is_near() -> None:
    half = jax.tree.map(lambda x: jnp.asarray(x, jnp.bfloat16), (STUDENT, TEACHER))
    found = losses.relation_kl(*half, SEGMENTS, heads=HEADS)
    assert found.total.dtype == jnp.float32
    assert float(found.total) == pytest.approx(expected("relation_kl", STUDENT, TEACHER), rel=0.03)


@pytest.mark.parametrize("formula", ["relation_kl", "attention_mse"])
@pytest.mark.parametrize("shape", [(0, 6), (2, 0)])
def test_no_tokens_are_a_loss_of_zero(formula: str, shape: tuple[int, int]) -> None:
    nothing = Sides(*jnp.zeros((2, *shape, 8)))

    def value(student: Sides) -> jax.Array:
        return getattr(losses, formula)(student, nothing, jnp.ones(shape, int), heads=4).value()

    found, gradient = jax.value_and_grad(value)(nothing)
    assert float(found) == 0.0
    assert gradient.query.shape == (*shape, 8)
