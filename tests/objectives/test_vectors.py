"""Objectives of sentence vectors: the same loss for any number of micro-batches; counts first."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from distil_jax.configuration import source
from distil_jax.data.packing import pack
from distil_jax.models import Encoder, initialize
from distil_jax.models.intermediates import Request
from distil_jax.models.vector_config import NORMALIZE, VectorConfig
from distil_jax.objectives import Inputs, Outputs, active, losses_of
from distil_jax.pretrained.families import make_config
from distil_jax.training.forward import SentenceEncoder

LENGTH, ROWS, SEGMENTS = 16, 8, 4
CONFIG = make_config("bert", 30, 16, 1, 2, 32, LENGTH, token_types=2, dropout=0.0)
FLAGS = [
    "--config.loss.vector_cosine=1",
    "--config.loss.similarity_mse=1",
    "--config.loss.similarity_kl=1",
    "--config.loss.contrastive=1",
    *(
        f"--config.loss.options.{name}.rows=2"
        for name in ("similarity_mse", "similarity_kl", "contrastive")
    ),
    "--config.loss.options.similarity_mse.widths=8:0.5,4:0.25",
]


@pytest.fixture(scope="module")
def loss():
    return source.read("embedding", FLAGS).loss


@pytest.fixture(scope="module")
def inputs(loss):
    """Vectors of a student and a teacher for rows of pairs of sentences."""
    draw = np.random.default_rng(0)
    sequences = [draw.integers(5, 30, n).astype(np.int32) for n in draw.integers(3, 5, 60)]
    tokens, segments = pack(sequences, LENGTH, 0, together=2)
    batch = {"tokens": jnp.asarray(tokens[:ROWS]), "segments": jnp.asarray(segments[:ROWS])}
    vectors = VectorConfig(("mean",), (NORMALIZE,), LENGTH)
    model = SentenceEncoder(Encoder(CONFIG), vectors, SEGMENTS)
    sides = []
    for seed in (0, 1):
        params = initialize(CONFIG, jax.random.key(seed))
        sides.append(model(params, batch, Request(), None))
    return Inputs(sides[0], sides[1], batch, loss, 1.0)


def part(inputs: Inputs, rows: slice) -> Inputs:
    def cut(side: Outputs) -> Outputs:
        return replace(side, vectors=side.vectors[rows])

    batch = {name: value[rows] for name, value in inputs.batch.items()}
    return replace(inputs, student=cut(inputs.student), teacher=cut(inputs.teacher), batch=batch)


@pytest.mark.slow
def test_sums_of_parts_are_the_sums_of_the_whole(inputs, loss):
    for one in active(loss):
        whole = one.compute(inputs)
        halves = [one.compute(part(inputs, slice(start, start + 4))) for start in (0, 4)]
        np.testing.assert_allclose(whole.total, halves[0].total + halves[1].total, rtol=1e-5)
        assert int(whole.count) == sum(int(half.count) for half in halves)


def test_counts_are_known_from_the_batch_alone(inputs, loss):
    for one in active(loss):
        assert int(one.count(inputs.batch, loss)) == int(one.compute(inputs).count) > 0, one.name


def test_a_student_that_equals_its_teacher_has_nothing_to_learn(inputs, loss):
    same = replace(inputs, teacher=inputs.student)
    for one in active(loss):
        if one.needs_teacher and one.name != "similarity_mse":
            np.testing.assert_allclose(one.compute(same).value(), 0.0, atol=1e-5)


def test_shorter_vectors_weigh_as_they_should(inputs, loss):
    (one,) = [one for one in active(loss) if one.name == "similarity_mse"]
    found = one.compute(inputs).value()
    values = {}
    for width in (16, 8, 4):
        student = replace(inputs.student, vectors=inputs.student.vectors[..., :width])
        plain = {"rows": 2, "widths": ""}
        alone = replace(loss, options={**loss.options, "similarity_mse": plain})
        values[width] = one.compute(replace(inputs, student=student, loss=alone)).value()
    expected = (values[16] + 0.5 * values[8] + 0.25 * values[4]) / 1.75
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_loss_is_their_weighted_sum(inputs, loss):
    scales = {one.name: jnp.asarray(2.0) for one in active(loss)}
    total, sums = losses_of(active(loss), inputs, scales)
    np.testing.assert_allclose(total, 2 * sum(one.total for one in sums.values()), rtol=1e-5)
