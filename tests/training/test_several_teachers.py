"""Several teachers, and teachers of another vocabulary, in the step."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from distil_jax.configuration.source import read
from distil_jax.models import EncoderConfig, initialize, student_from_teacher
from distil_jax.training.forward import AveragedModels, OtherVocabulary, translated
from distil_jax.training.step import (
    Constants,
    StepSpec,
    accumulate,
    loss_counts,
    mask_batch,
    normalize_by_global_count,
)
from distil_jax.training.targets import LiveTeacher, LiveTeachers

from .specs import model, step_spec

SHAPE = EncoderConfig(
    model_type="bert", vocabulary=97, hidden_size=16, layers=2, heads=2, mlp_size=32, positions=32,
    dropout=0.0, attention_dropout=0.0, initializer_range=0.3,
)  # fmt: skip
DEEPER = replace(SHAPE, layers=3)
TEACHER, OTHER = initialize(SHAPE, jax.random.key(1)), initialize(DEEPER, jax.random.key(2))
STUDENT_SHAPE, STUDENT = student_from_teacher(SHAPE, TEACHER, (1,))
LOSS = read("base", ["--config.loss.chunk=64"]).loss
ROWS, LENGTH = 8, 24


def _batch() -> dict[str, jax.Array]:
    random = np.random.default_rng(0)
    segments = np.arange(LENGTH)[None] < random.integers(5, LENGTH + 1, (ROWS, 1))
    rows = {
        "tokens": random.integers(5, 97, (ROWS, LENGTH)),
        "segments": segments,
        "epoch": np.zeros(ROWS),
        "row": np.arange(ROWS),
    }
    return {name: jnp.asarray(values, jnp.int32) for name, values in rows.items()}


LIVE = step_spec(STUDENT_SHAPE, SHAPE, LOSS)
MASKED = mask_batch(LIVE.masking, 0, _batch())


def _found(spec: StepSpec, params: object) -> tuple[dict[str, float], object]:
    scales = normalize_by_global_count(spec.weights(jnp.int32(0)), loss_counts(spec, MASKED))
    gradient, sums = jax.jit(
        lambda params: accumulate(
            spec, STUDENT, Constants(params), MASKED, scales, jnp.float32(2.0), jax.random.key(0)
        )
    )(params)
    return {name: float(found.value()) for name, found in sums.items()}, gradient


def _several(teacher_of: dict[str, int], **changes: object) -> StepSpec:
    models = AveragedModels((model(SHAPE), model(DEEPER)), (0.75, 0.25), teacher_of)
    return replace(LIVE, targets=LiveTeachers(models), **changes)


@pytest.mark.slow
def test_hidden_states_are_those_of_the_named_teacher_and_soft_targets_of_all() -> None:
    one, _ = _found(LIVE, TEACHER)
    other, _ = _found(replace(LIVE, targets=LiveTeacher(model(DEEPER))), OTHER)
    first, gradient = _found(_several({}), (TEACHER, OTHER))
    named, _ = _found(_several({"cosine": 1}), (TEACHER, OTHER))
    assert first["cosine"] == pytest.approx(one["cosine"], rel=1e-6)
    assert named["cosine"] == pytest.approx(other["cosine"], rel=1e-6)
    # KL is convex: that of the mean distribution is below the mean of both.
    assert first["soft_target"] < 0.75 * one["soft_target"] + 0.25 * other["soft_target"]
    divided, of_parts = _found(_several({}, micro_batches=4), (TEACHER, OTHER))
    assert divided["soft_target"] == pytest.approx(first["soft_target"], rel=1e-6)
    difference = optax.tree.norm(jax.tree.map(jnp.subtract, of_parts, gradient))
    assert float(difference) < 1e-5 * float(optax.tree.norm(gradient))


def test_a_teacher_whose_ids_are_others_gives_what_it_gives_under_its_own() -> None:
    """Its tokens in another order, and more of them than the student has."""
    order = np.random.default_rng(1).permutation(110)[:97]
    table = np.random.default_rng(2).normal(size=(110, 16)).astype(np.float32)
    bias = np.zeros(110, np.float32)
    embeddings = TEACHER["encoder"]["embeddings"]
    table[order], bias[order] = embeddings["tokens"], TEACHER["head"]["bias"]
    wider = {
        "encoder": {
            **TEACHER["encoder"],
            "embeddings": {**embeddings, "tokens": jnp.asarray(table)},
        },
        "head": {**TEACHER["head"], "bias": jnp.asarray(bias)},
    }
    seen = OtherVocabulary(model(replace(SHAPE, vocabulary=110)), 97, whole=True)
    expected, of_own = _found(LIVE, TEACHER)
    spec = replace(LIVE, targets=LiveTeacher(seen))
    found, gradient = _found(spec, translated(wider, jnp.asarray(order, jnp.int32)))
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-5), name
    difference = optax.tree.norm(jax.tree.map(jnp.subtract, gradient, of_own))
    assert float(difference) < 1e-5 * float(optax.tree.norm(of_own))
