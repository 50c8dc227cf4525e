"""Held-out figures: whole, weighted by counts, and the same however the rows are batched."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from distil_jax import losses
from distil_jax.configuration.loss import Loss
from distil_jax.configuration.source import read
from distil_jax.models import initialize, student_from_teacher
from distil_jax.pretrained.families import make_config
from distil_jax.training.parallel import Devices
from distil_jax.training.step import Constants, StepSpec, mask_batch
from distil_jax.training.targets import NoTargets
from distil_jax.training.validation import VALIDATION_SEED, validator
from tests.forward import forward

from .specs import step_spec

SHAPE = make_config(
    model_type="bert", vocabulary=97, hidden_size=16, layers=2, heads=2, mlp_size=32, positions=32,
    initializer_range=0.3,
)  # fmt: skip
TEACHER = initialize(SHAPE, jax.random.key(1))
STUDENT_SHAPE, STUDENT = student_from_teacher(SHAPE, TEACHER, (1,))
ROWS, LENGTH = 10, 24
LOSS = read("base", ["--config.loss.chunk=32"]).loss
RUN = step_spec(STUDENT_SHAPE, SHAPE, LOSS)


def rows() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    segments = (np.arange(LENGTH)[None] < random.integers(5, LENGTH + 1, (ROWS, 1))).astype("i4")
    return {
        "tokens": random.integers(5, 97, (ROWS, LENGTH)).astype(np.int32),
        "segments": segments,
        "epoch": np.zeros(ROWS, np.int32),
        "row": np.arange(ROWS, dtype=np.int32),
    }


def batches(size: int) -> list[dict[str, np.ndarray]]:
    """The rows in batches of `size`, the last filled up with padding as the loader does."""
    missing = -ROWS % size
    filled = {k: np.pad(v, ((0, missing),) + ((0, 0),) * (v.ndim - 1)) for k, v in rows().items()}
    return [{k: v[i : i + size] for k, v in filled.items()} for i in range(0, ROWS + missing, size)]


def weighted(**values: float) -> Loss:
    return dataclasses.replace(LOSS, weights={**LOSS.weights, **values})


def figures(
    size: int, devices: int = 1, run: StepSpec = RUN, params: Any = STUDENT
) -> dict[str, float]:
    where = Devices("jit", tuple(jax.devices()[:devices]))
    constants = Constants({} if run.targets.config is None else TEACHER)
    return validator(run, where, constants, lambda: batches(size), micro_rows=4)(params)


WHOLE = figures(ROWS)


@pytest.mark.parametrize(("size", "devices"), [(4, 1), (3, 1), (8, 2)])
def test_batch_size_and_devices_change_nothing(size: int, devices: int) -> None:
    assert figures(size, devices) == pytest.approx(WHOLE, rel=1e-6)


def test_figures_are_those_of_the_plain_formulas() -> None:
    masked = mask_batch(
        RUN.masking, VALIDATION_SEED, {k: jnp.asarray(v) for k, v in rows().items()}
    )
    logits = forward(RUN.student.module, STUDENT, masked)
    teacher_logits = forward(RUN.targets.model.module, TEACHER, masked)
    labels = np.asarray(masked["labels"])
    chosen = labels != losses.IGNORE
    best = np.asarray(logits).argmax(-1)[chosen]
    assert WHOLE["accuracy"] == pytest.approx((best == labels[chosen]).mean(), rel=1e-6)
    agreement = (best == np.asarray(teacher_logits).argmax(-1)[chosen]).mean()
    assert WHOLE["agreement"] == pytest.approx(agreement, rel=1e-6)
    mlm = float(losses.masked_lm(logits, masked["labels"]).value())
    assert WHOLE["masked_lm"] == pytest.approx(mlm, rel=1e-5)
    assert WHOLE["perplexity"] == pytest.approx(np.exp(mlm), rel=1e-5)
    soft = losses.soft_target(logits, teacher_logits, masked["segments"], temperature=2.0)
    assert WHOLE["soft_target"] == pytest.approx(float(soft.value()), rel=1e-5)
    assert WHOLE["loss"] == pytest.approx(
        5 * WHOLE["soft_target"] + 2 * WHOLE["masked_lm"] + WHOLE["cosine"], rel=1e-6
    )


def test_without_a_teacher_masked_lm_and_accuracy_are_the_same() -> None:
    alone = step_spec(STUDENT_SHAPE, None, weighted(soft_target=0.0, cosine=0.0))
    found = figures(ROWS, run=alone)
    assert set(found) == {"loss", "masked_lm", "perplexity", "accuracy", "predictions"}
    assert found["masked_lm"] == pytest.approx(WHOLE["masked_lm"], rel=1e-6)
    assert found["accuracy"] == WHOLE["accuracy"]


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"hidden_size": 32}, {"cosine"}),
        ({"vocabulary": 104}, {"soft_target", "agreement"}),
        ({"hidden_size": 32, "vocabulary": 104}, {"cosine", "soft_target", "agreement"}),
    ],
)
def test_what_cannot_be_held_against_the_teacher_is_left_out(
    changes: dict[str, int], missing: set[str]
) -> None:
    shape = dataclasses.replace(STUDENT_SHAPE, **changes)  # type: ignore[arg-type]
    run = step_spec(shape, SHAPE, weighted(soft_target=0.0, cosine=0.0))
    params = initialize(shape, jax.random.key(2))
    found = figures(5, run=run, params=params)
    assert WHOLE.keys() - found.keys() == missing
    alone = dataclasses.replace(run, targets=NoTargets())
    expected = figures(5, run=alone, params=params)
    for name in ("masked_lm", "accuracy", "loss"):
        assert found[name] == pytest.approx(expected[name], rel=1e-6)


def test_scheduled_losses_are_weighted_as_at_the_end() -> None:
    schedules = {**LOSS.schedules, "soft_target": "0:1,1:5", "masked_lm": "0:2,1:0"}
    loss = dataclasses.replace(weighted(soft_target=0.0), schedules=schedules)
    found = figures(5, run=step_spec(STUDENT_SHAPE, SHAPE, loss))
    assert found["loss"] == pytest.approx(5 * found["soft_target"] + found["cosine"])


def test_soft_targets_at_masked_tokens_are_those_of_the_plain_formula() -> None:
    loss = dataclasses.replace(LOSS, positions="masked")
    found = figures(4, run=step_spec(STUDENT_SHAPE, SHAPE, loss))
    batch = {k: jnp.asarray(v) for k, v in rows().items()}
    masked = mask_batch(RUN.masking, VALIDATION_SEED, batch)
    logits = forward(RUN.student.module, STUDENT, masked)
    teacher_logits = forward(RUN.targets.model.module, TEACHER, masked)
    labelled = masked["labels"] != losses.IGNORE
    soft = losses.soft_target(logits, teacher_logits, labelled, temperature=2.0)
    assert found["soft_target"] == pytest.approx(float(soft.value()), rel=1e-5)
    for name in ("masked_lm", "accuracy", "agreement", "cosine"):
        assert found[name] == pytest.approx(WHOLE[name], rel=1e-6)
