"""quantised: a student that learns as its int8 export computes, from a step of the run on."""

import dataclasses
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from distil_jax.models.fake_quantisation import quantised_params
from distil_jax.training.quantised import first_quantised_step
from distil_jax.training.step import Constants, StepSpec, initial_state, train_step

from .test_step import LOSS, SHAPE, STUDENT, STUDENT_SHAPE, TEACHER, batch, step_spec

ROWS = {name: jnp.asarray(values[:8]) for name, values in batch().items()}


def spec(first: int | None) -> StepSpec:
    return step_spec(STUDENT_SHAPE, SHAPE, LOSS, quantised_from=first)


@cache
def stepper(first: int | None):
    """The step on one device: from a state to the next and its loss."""
    one = partial(train_step, spec(first), sum_over_devices=lambda x: x, device=jnp.int32(0))
    return jax.jit(lambda state: one(state, Constants(TEACHER), ROWS))


def start(done: int = 0):
    state = initial_state(spec(None).optimizer, jax.tree.map(jnp.asarray, STUDENT))
    return dataclasses.replace(state, step=jnp.int32(done))


def loss(first: int | None, state) -> float:
    return float(stepper(first)(state)[1]["loss"])


def test_without_it_nothing_is_rounded():
    assert " round[" not in str(jax.make_jaxpr(stepper(None))(start()))
    assert " round[" in str(jax.make_jaxpr(stepper(0))(start()))


def test_it_begins_at_its_step_also_of_a_state_that_was_saved():
    """Which student learns follows from the state alone."""
    plain, rounded = loss(None, start()), loss(0, start())
    assert abs(plain - rounded) > 1e-4
    assert loss(3, start(2)) == pytest.approx(loss(None, start(2)), abs=1e-6)
    for done in (3, 4):
        assert loss(3, start(done)) == pytest.approx(loss(0, start(done)), abs=1e-6)


def test_the_loss_is_that_of_rounded_weights_and_the_weights_stay_in_float():
    beforehand = dataclasses.replace(start(), params=quantised_params(start().params))
    assert loss(0, beforehand) == pytest.approx(loss(0, start()), abs=1e-4)
    before = STUDENT["encoder"]["layers"]["mlp_in"]["kernel"]
    after = stepper(0)(start())[0].params["encoder"]["layers"]["mlp_in"]["kernel"]
    assert len(np.unique(np.asarray(after)[0, :, 0])) == after.shape[1]
    assert 0 < np.abs(np.asarray(after) - before).max() < 0.1


def test_micro_batches_change_nothing():
    """A row's rounding does not depend on the rows that are computed beside it."""

    def first_loss(parts: int) -> float:
        run = dataclasses.replace(spec(0), micro_batches=parts)
        one = partial(train_step, run, sum_over_devices=lambda x: x, device=jnp.int32(0))
        return float(jax.jit(one)(start(), Constants(TEACHER), ROWS)[1]["loss"])

    assert first_loss(4) == pytest.approx(first_loss(1), rel=1e-5)


def test_the_share_of_a_run():
    assert [first_quantised_step(share, 10) for share in (0.0, 0.5, 0.91, 1.0)] == [0, 5, 10, None]
