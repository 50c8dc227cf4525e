"""Divergences, likeliest tokens, mixtures and stored distributions against a few lines of numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax, logsumexp, softmax

from distil_jax.losses import IGNORE, soft_target
from distil_jax.losses.fused_vocabulary import Targets, fused_vocabulary_losses
from distil_jax.losses.vocabulary import divergence_term, logit_mse_term, soft_target_term
from distil_jax.losses.vocabulary_teacher import UNKNOWN, Decoder, Mixture, StoredTokens

RANDOM = np.random.default_rng(0)
TOKENS, WIDTH, VOCABULARY, TEMPERATURE = 21, 8, 13, 2.0
MASK = RANDOM.random(TOKENS) < 0.7


def _side(seed: int) -> Decoder:
    random = np.random.default_rng(seed)
    shapes = (TOKENS, WIDTH), (VOCABULARY, WIDTH), (VOCABULARY,)
    return Decoder(*(jnp.asarray(random.normal(size=shape), jnp.float32) for shape in shapes))


def _numpy_logits(side: Decoder) -> np.ndarray:
    hidden, table, bias = (np.asarray(each, np.float64) for each in side[:3])
    return hidden @ table.T + bias


STUDENT, TEACHER, OTHER = _side(1), _side(2), _side(3)
FORMULAS = {
    "forward": lambda s, t: (t * (np.log(t) - np.log(s))).sum(-1),
    "reverse": lambda s, t: (s * (np.log(s) - np.log(t))).sum(-1),
    "jensen_shannon": lambda s, t: 0.5 * (
        (t * np.log(2 * t / (s + t))).sum(-1) + (s * np.log(2 * s / (s + t))).sum(-1)
    ),
}  # fmt: skip


def _buckets(shares: np.ndarray, ids: np.ndarray) -> np.ndarray:
    top = np.take_along_axis(shares, ids, -1)
    return np.concatenate([top, 1 - top.sum(-1, keepdims=True)], -1)


def _expected(divergence: str, top_k: int, teacher: np.ndarray, student: np.ndarray) -> float:
    """The mean over the masked tokens; `teacher` are shares at the temperature."""
    shares = softmax(student / TEMPERATURE, -1)
    if top_k:
        ids = np.argsort(-teacher, -1)[:, :top_k]
        shares, teacher = _buckets(shares, ids), _buckets(teacher, ids)
    return FORMULAS[divergence](shares, teacher)[MASK].mean() * TEMPERATURE**2


def _fused(term, teacher, student=STUDENT, chunk=8):
    def loss(student: Decoder):
        return fused_vocabulary_losses(
            student,
            Targets(teacher, jnp.full(TOKENS, IGNORE), jnp.asarray(MASK)),
            {"term": term},
            {"term": 1.0 / MASK.sum()},
            temperature=TEMPERATURE,
            chunk=chunk,
        )[0]

    return jax.jit(jax.value_and_grad(loss))(student)


@pytest.mark.parametrize("top_k", [0, 4])
@pytest.mark.parametrize("divergence", FORMULAS)
def test_value_and_gradient(divergence: str, top_k: int) -> None:
    teacher = softmax(_numpy_logits(TEACHER) / TEMPERATURE, -1)
    value, gradient = _fused(divergence_term(divergence, top_k), TEACHER)
    expected = _expected(divergence, top_k, teacher, _numpy_logits(STUDENT))
    assert float(value) == pytest.approx(expected, rel=1e-5)
    plain = soft_target(
        jnp.asarray(_numpy_logits(STUDENT), jnp.float32),
        jnp.asarray(_numpy_logits(TEACHER), jnp.float32),
        jnp.asarray(MASK),
        temperature=TEMPERATURE,
        divergence=divergence,
        top_k=top_k,
    )
    assert float(plain.value()) == pytest.approx(expected, rel=1e-5)
    # By the bias: a finite difference of the formula itself.
    for token in (0, 5):
        step = np.zeros(VOCABULARY)
        step[token] = 1e-4
        ends = [
            _expected(divergence, top_k, teacher, _numpy_logits(STUDENT) + sign * step)
            for sign in (1, -1)
        ]
        difference = (ends[0] - ends[1]) / 2e-4
        assert float(gradient.bias[token]) == pytest.approx(difference, rel=1e-3, abs=1e-6)


def test_the_derived_gradient_is_the_published_one() -> None:
    value, gradient = _fused(soft_target_term, TEACHER)
    derived, by_rule = _fused(divergence_term("forward", 0), TEACHER)
    assert float(derived) == pytest.approx(float(value), rel=1e-6)
    for ours, theirs in zip(by_rule[:3], gradient[:3], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("top_k", [0, 4])
def test_several_teachers_average_probabilities(top_k: int) -> None:
    weights = [0.7, 0.3]
    mixture = Mixture((TEACHER, OTHER), jnp.asarray(weights))
    shares = [softmax(_numpy_logits(side) / TEMPERATURE, -1) for side in (TEACHER, OTHER)]
    mean = sum(weight * share for weight, share in zip(weights, shares, strict=True))
    term = divergence_term("forward", top_k) if top_k else soft_target_term
    expected = _expected("forward", top_k, mean, _numpy_logits(STUDENT))
    assert float(_fused(term, mixture)[0]) == pytest.approx(expected, rel=1e-5)
    alone = Mixture((TEACHER, TEACHER), jnp.asarray(weights))
    assert float(_fused(term, alone)[0]) == pytest.approx(float(_fused(term, TEACHER)[0]), rel=1e-5)


def _stored(count: int, dtype: str) -> StoredTokens:
    logits = _numpy_logits(TEACHER)
    ids = np.argsort(-logits, -1)[:, :count]
    logs = np.take_along_axis(log_softmax(logits, -1), ids, -1)
    tempered = np.take_along_axis(softmax(logits / TEMPERATURE, -1), ids, -1)
    rest = np.log(np.maximum(1 - tempered.sum(-1), 1e-26))
    return StoredTokens(
        jnp.asarray(ids, jnp.int32),
        jnp.asarray(logs, dtype),
        jnp.asarray(logsumexp(logits, -1), jnp.float32),
        jnp.asarray(rest, jnp.float32),
        jnp.zeros(VOCABULARY),
    )


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float16", 1e-3)])
def test_what_was_stored_gives_what_the_teacher_gives(dtype: str, tolerance: float) -> None:
    for term, count in (
        (divergence_term("forward", 4), 4),
        (divergence_term("reverse", 3), 5),  # fewer than were stored
        (soft_target_term, VOCABULARY),
        (logit_mse_term, VOCABULARY),
        (divergence_term("jensen_shannon", 4), VOCABULARY),
    ):
        live, of_live = _fused(term, TEACHER)
        found, of_found = _fused(term, _stored(count, dtype))
        assert float(found) == pytest.approx(float(live), rel=tolerance)
        norm = float(jnp.linalg.norm(of_live.table))
        assert float(jnp.linalg.norm(of_found.table - of_live.table)) < 3 * tolerance * norm


@pytest.mark.parametrize("term", [
    soft_target_term, logit_mse_term, divergence_term("reverse", 0), divergence_term("forward", 4),
])  # fmt: skip
def test_tokens_that_the_teacher_lacks_are_left_out(term) -> None:
    known = jnp.arange(VOCABULARY) < 10
    partial = TEACHER._replace(
        table=jnp.where(known[:, None], TEACHER.table, 0),
        bias=jnp.where(known, TEACHER.bias, UNKNOWN),
        known=known,
    )
    value, gradient = _fused(term, partial)
    cut = [side._replace(table=side.table[:10], bias=side.bias[:10]) for side in (TEACHER, STUDENT)]
    expected, of_cut = _fused(term, cut[0], cut[1])
    assert float(value) == pytest.approx(float(expected), rel=1e-5)
    np.testing.assert_allclose(gradient.bias[:10], of_cut.bias, rtol=1e-4, atol=1e-6)
    assert not np.asarray(gradient.bias[10:]).any()
