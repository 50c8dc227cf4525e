"""With dropout, too, a step gives the same however its rows are divided."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import pytest

from distil_jax.training.parallel import Devices
from distil_jax.training.step import _dropout, initial_state, train_step

from .specs import model
from .test_step import ROWS, STUDENT, STUDENT_SHAPE, TARGETS, batch, distillation

DROPPING = dataclasses.replace(STUDENT_SHAPE, dropout=0.2, attention_dropout=0.3)


def losses(mode: str, devices: int, micro: int, *, scan: bool = False, **changes: object) -> list:
    """The losses of three steps."""
    student = model(DROPPING, scan=scan)
    run = distillation(student=student, micro_batches=ROWS // devices // micro, **changes)
    where = Devices(mode, tuple(jax.devices()[:devices]))
    compiled = where.map(partial(train_step, run))
    state = where.replicate(initial_state(run.optimizer, jax.tree.map(jnp.copy, STUDENT)))
    constants, found = where.replicate(TARGETS), []
    for _ in range(3):
        state, values = compiled(state, constants, where.split(batch()))
        found.append(float(values["loss"]))
    return found


@pytest.fixture(scope="module")
def whole() -> list:
    return losses("jit", 1, ROWS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "devices", "micro"),
    [("jit", 1, 1), ("jit", 2, 8), ("jit", 8, 8), ("pmap", 1, 16), ("pmap", 2, 1), ("pmap", 8, 2)],
)
def test_devices_and_micro_batches_change_no_loss(
    mode: str, devices: int, micro: int, whole: list
) -> None:
    assert losses(mode, devices, micro) == pytest.approx(whole, rel=1e-6)


def test_nor_does_a_compiled_loop_of_layers(whole: list) -> None:
    assert losses("jit", 1, 16, scan=True) == pytest.approx(whole, rel=1e-6)


def test_earlier_bits_are_of_a_device_and_its_micro_batch(whole: list) -> None:
    undivided, divided = (
        losses("jit", 1, micro, dropout_bits="threefry")[0] for micro in (ROWS, 16)
    )
    assert undivided != pytest.approx(divided, rel=1e-5)
    assert undivided != pytest.approx(whole[0], rel=1e-5)


def test_rows_without_names_are_named_by_their_place_in_the_batch() -> None:
    """As in a batch whose rows come in order: over devices, too."""
    run = distillation(student=model(DROPPING), masking=None)
    rows = {"tokens": jnp.zeros((4, 8), jnp.int32)}
    second = _dropout(run, 0, jnp.int32(0), jnp.int32(1), rows)
    named = {**rows, "row": jnp.arange(4, 8), "epoch": jnp.zeros(4, jnp.int32)}
    first = _dropout(run, 0, jnp.int32(0), jnp.int32(0), named)
    assert (second.row == first.row).all()
