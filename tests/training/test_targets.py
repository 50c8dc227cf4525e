"""Sources of targets that are not in the package: stored states, and two teachers at once."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from distil_jax.configuration.loss import Loss
from distil_jax.configuration.source import read
from distil_jax.models import EncoderConfig, initialize, student_from_teacher
from distil_jax.models.intermediates import Intermediates, Request
from distil_jax.models.types import Batch
from distil_jax.objectives import Outputs
from distil_jax.training.step import (
    Constants,
    StepSpec,
    accumulate,
    loss_counts,
    mask_batch,
    normalize_by_global_count,
)
from distil_jax.training.targets import LiveTeacher, NoTargets, TargetSource

from .specs import model, step_spec

SHAPE = EncoderConfig(
    model_type="bert", vocabulary=97, hidden_size=16, layers=2, heads=2, mlp_size=32, positions=32,
    dropout=0.0, attention_dropout=0.0, initializer_range=0.3,
)  # fmt: skip
TEACHER = initialize(SHAPE, jax.random.key(1))
OTHER = initialize(SHAPE, jax.random.key(2))
STUDENT_SHAPE, STUDENT = student_from_teacher(SHAPE, TEACHER, (1,))
LOSS: Loss = read("base", ["--config.loss.soft_target=0", "--config.loss.chunk=64"]).loss
ROWS, LENGTH = 8, 24


def batch() -> dict[str, jax.Array]:
    random = np.random.default_rng(0)
    segments = np.arange(LENGTH)[None] < random.integers(5, LENGTH + 1, (ROWS, 1))
    rows = {
        "tokens": random.integers(5, 97, (ROWS, LENGTH)).astype(np.int32),
        "segments": segments.astype(np.int32),
        "epoch": np.zeros(ROWS, np.int32),
        "row": np.arange(ROWS, dtype=np.int32),
    }
    return {name: jnp.asarray(values) for name, values in rows.items()}


def gradient_and_sums(spec: StepSpec, constants: Constants, masked: dict[str, jax.Array]) -> Any:
    scales = normalize_by_global_count(spec.weights(jnp.int32(0)), loss_counts(spec, masked))
    return jax.jit(
        lambda: accumulate(
            spec, STUDENT, constants, masked, scales, jnp.float32(2.0), jax.random.key(0)
        )
    )()


@dataclass(frozen=True)
class StoredStates:
    """The teacher's last hidden states come with the batch, as from a cache on disk."""

    config: EncoderConfig

    def __call__(self, params: Any, batch: Batch, request: Request) -> Outputs:
        return Outputs(Intermediates(batch["stored"]))


@dataclass(frozen=True)
class TwoTeachers:
    """The mean of two teachers' last hidden states."""

    one: LiveTeacher

    @property
    def config(self) -> EncoderConfig:
        return self.one.config

    def __call__(self, params: Any, batch: Batch, request: Request) -> Outputs:
        states = [self.one(each, batch, request).intermediates.last for each in params]
        return Outputs(Intermediates((states[0] + states[1]) / 2))


@pytest.mark.parametrize("micro_batches", [1, 4])
def test_stored_states_give_what_the_live_teacher_gives(micro_batches: int) -> None:
    live = step_spec(STUDENT_SHAPE, SHAPE, LOSS, micro_batches=micro_batches)
    stored = replace(live, targets=StoredStates(SHAPE))
    masked = mask_batch(live.masking, 0, batch())
    states = model(SHAPE)(TEACHER, masked, Request(), None).intermediates.last
    expected, expected_sums = gradient_and_sums(live, Constants(TEACHER), masked)
    found, sums = gradient_and_sums(stored, Constants(), {**masked, "stored": states})
    assert sums.keys() == expected_sums.keys() == {"masked_lm", "cosine"}
    for name in sums:
        assert float(sums[name].value()) == pytest.approx(
            float(expected_sums[name].value()), rel=1e-6
        )
    difference = optax.tree.norm(jax.tree.map(jnp.subtract, found, expected))
    assert float(difference) < 1e-5 * float(optax.tree.norm(expected))


def test_two_teachers_differ_from_either() -> None:
    live = step_spec(STUDENT_SHAPE, SHAPE, LOSS)
    both = replace(live, targets=TwoTeachers(live.targets))
    masked = mask_batch(live.masking, 0, batch())
    values = [
        float(gradient_and_sums(spec, Constants(params), masked)[1]["cosine"].value())
        for spec, params in (
            (live, TEACHER),
            (live, OTHER),
            (both, (TEACHER, TEACHER)),
            (both, (TEACHER, OTHER)),
        )
    ]
    assert values[2] == pytest.approx(values[0], rel=1e-6)
    assert min(abs(values[3] - one) for one in values[:2]) > 1e-3


def test_what_a_source_offers() -> None:
    for source in (NoTargets(), LiveTeacher(model(SHAPE)), StoredStates(SHAPE)):
        assert isinstance(source, TargetSource)
    assert NoTargets()({}, batch(), Request()) is None
