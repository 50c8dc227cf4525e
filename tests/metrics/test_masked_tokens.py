"""Sums over masked tokens: the definition, bands that add up, NumPy and JAX alike."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from distil_jax.metrics import TOKEN_SUMS, band_sums, token_sums

RANDOM = np.random.default_rng(0)
LOGITS, TEACHER = RANDOM.normal(size=(2, 3, 7, 20)).astype(np.float32)
LABELS = RANDOM.integers(0, 20, (3, 7))
MASK = RANDOM.random((3, 7)) < 0.6
BAND_OF_TOKEN = RANDOM.integers(0, 4, 20).astype(np.int32)


def test_sums_are_those_of_the_definition():
    chosen, labels = MASK.nonzero(), LABELS[MASK]
    student, teacher = (
        scipy.special.log_softmax(logits[chosen].astype(np.float64), axis=-1)
        for logits in (LOGITS, TEACHER)
    )
    likeliest, likeliest_of_teacher = student.argmax(-1), teacher.argmax(-1)
    expected = {
        "tokens": MASK.sum(),
        "right": (likeliest == labels).sum(),
        "entropy": -student[np.arange(len(labels)), labels].sum(),
        "alike": (likeliest == likeliest_of_teacher).sum(),
        "divergence": (np.exp(teacher) * (teacher - student)).sum(),
        "teacher_right": (likeliest_of_teacher == labels).sum(),
    }
    sums = dict(zip(TOKEN_SUMS, token_sums(LOGITS, LABELS, MASK, TEACHER), strict=True))
    assert sums == pytest.approx(expected, rel=1e-12)
    assert (token_sums(LOGITS, LABELS, MASK)[3:] == 0).all()


def test_bands_add_up_and_both_libraries_agree():
    arrays = (LOGITS, LABELS, MASK, BAND_OF_TOKEN)
    bands = band_sums(*arrays, 4, TEACHER)
    assert bands.dtype == np.float64
    np.testing.assert_allclose(bands.sum(0), token_sums(LOGITS, LABELS, MASK, TEACHER))
    compiled = jax.jit(lambda *given: band_sums(*given[:4], 4, given[4]))
    ours = compiled(*map(jnp.asarray, (*arrays, TEACHER)))
    assert ours.dtype == jnp.float32
    np.testing.assert_allclose(ours, bands, rtol=1e-5)
