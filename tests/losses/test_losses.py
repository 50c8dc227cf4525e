"""Each loss against a few lines of numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from distil_jax import losses
from distil_jax.losses import IGNORE, WeightedSum

pytestmark = pytest.mark.optimised
RANDOM = np.random.default_rng(0)
STUDENT = RANDOM.normal(size=(3, 5, 11)).astype(np.float32)
TEACHER = RANDOM.normal(size=(3, 5, 11)).astype(np.float32)
MASK = RANDOM.random((3, 5)) < 0.6
LABELS = np.where(MASK, RANDOM.integers(0, 11, (3, 5)), IGNORE).astype(np.int32)


def soft_target(student, teacher, mask, *, temperature):
    return losses.soft_target(*map(jnp.asarray, (student, teacher, mask)), temperature=temperature)


def masked_lm(logits, labels):
    return losses.masked_lm(jnp.asarray(logits), jnp.asarray(labels))


def cosine(student, teacher, mask):
    return losses.cosine(*map(jnp.asarray, (student, teacher, mask)))


@pytest.mark.parametrize("temperature", [1.0, 2.0, 4.0])
def test_soft_target(temperature: float) -> None:
    share = softmax(TEACHER / temperature, -1)
    log_ratio = np.log(share) - log_softmax(STUDENT / temperature, -1)
    expected = (share * log_ratio).sum(-1)[MASK].mean() * temperature**2
    mean = soft_target(STUDENT, TEACHER, MASK, temperature=temperature)
    assert float(mean.value()) == pytest.approx(expected, rel=1e-6)
    assert int(mean.count) == MASK.sum()


def test_logit_mse_is_summed_over_the_vocabulary_and_averaged_over_tokens() -> None:
    expected = ((STUDENT - TEACHER)[MASK] ** 2).sum(-1).mean()
    mean = losses.logit_mse(*map(jnp.asarray, (STUDENT, TEACHER, MASK)))
    assert float(mean.value()) == pytest.approx(expected, rel=1e-6)
    assert int(mean.count) == MASK.sum()


def test_a_student_like_its_teacher_has_no_soft_target_loss() -> None:
    assert float(soft_target(TEACHER, TEACHER, MASK, temperature=2.0).value()) == 0.0
    assert float(cosine(TEACHER, TEACHER, MASK).value()) == pytest.approx(0.0, abs=1e-6)


def test_masked_lm() -> None:
    log_share = log_softmax(STUDENT, -1)[MASK]
    expected = -log_share[np.arange(MASK.sum()), LABELS[MASK]].mean()
    mean = masked_lm(STUDENT, LABELS)
    assert float(mean.value()) == pytest.approx(expected, rel=1e-6)
    assert int(mean.count) == MASK.sum()


def test_masked_lm_without_labels_is_zero_and_its_gradient_finite() -> None:
    labels = np.full((3, 5), IGNORE, np.int32)
    value, gradient = jax.value_and_grad(lambda x: masked_lm(x, labels).value())(STUDENT)
    assert float(value) == 0.0
    assert not np.asarray(gradient).any()


def test_cosine() -> None:
    product = (STUDENT * TEACHER).sum(-1)
    norms = np.linalg.norm(STUDENT, axis=-1) * np.linalg.norm(TEACHER, axis=-1)
    expected = (1 - product / norms)[MASK].mean()
    assert float(cosine(STUDENT, TEACHER, MASK).value()) == pytest.approx(expected, rel=1e-6)


def test_cosine_of_a_zero_vector_is_finite() -> None:
    zeros = np.zeros_like(STUDENT)
    value, gradient = jax.value_and_grad(lambda x: cosine(x, TEACHER, MASK).value())(zeros)
    assert float(value) == 1.0
    assert np.isfinite(gradient).all()


SEEN = jnp.asarray(MASK)


def _of_vocabulary(student, teacher):
    decoder = jnp.asarray(STUDENT.reshape(-1, 11)), jnp.zeros(15)
    scales = {"soft_scale": 1.0, "mlm_scale": 1.0, "mse_scale": 1.0, "temperature": 2.0}
    both = (student, *decoder, teacher, *decoder)
    return losses.vocabulary_losses(*both, jnp.asarray(LABELS), SEEN, chunk=4, **scales)[0]


def _of_sides(loss, student, teacher):
    sides = [losses.Sides(each, each) for each in (student, teacher)]
    return loss(*sides, SEEN.astype(jnp.int32), heads=11).value()


OF_MASKED = {
    "soft_target": lambda s, t: losses.soft_target(s, t, SEEN, temperature=2.0).value(),
    "top_k": lambda s, t: losses.soft_target(s, t, SEEN, temperature=2.0, top_k=3).value(),
    "logit_mse": lambda s, t: losses.logit_mse(s, t, SEEN).value(),
    "masked_lm": lambda s, _: losses.masked_lm(s, jnp.asarray(LABELS)).value(),
    "cosine": lambda s, t: losses.cosine(s, t, SEEN).value(),
    "hidden_mse": lambda s, t: losses.hidden_mse(s, t, SEEN).value(),
    "normalized_mse": lambda s, t: losses.normalized_mse(s, t, SEEN).value(),
    "vector_cosine": lambda s, t: losses.vector_cosine(s, t, SEEN).value(),
    "similarity_mse": lambda s, t: losses.similarity_mse(s, t, SEEN).value(),
    "similarity_kl": lambda s, t: losses.similarity_kl(s, t, SEEN, temperature=0.1).value(),
    "contrastive": lambda s, t: losses.contrastive(s, t, SEEN, temperature=0.1).value(),
    "pair_mse": lambda s, t: losses.pair_mse(s, t, t[..., 0], SEEN).value(),
    "relation_kl": lambda s, t: _of_sides(losses.relation_kl, s, t),
    "attention_mse": lambda s, t: _of_sides(losses.attention_mse, s, t),
    "vocabulary_losses": _of_vocabulary,
}


@pytest.mark.parametrize("loss", OF_MASKED.values(), ids=OF_MASKED)
def test_what_is_masked_out_may_be_nan(loss) -> None:
    """Such as what attention without a single key computes: it changes no value and no gradient."""
    program = jax.jit(jax.value_and_grad(loss))
    value, gradient = program(*(np.where(MASK[..., None], x, 1) for x in (STUDENT, TEACHER)))
    nan, own = program(*(np.where(MASK[..., None], x, np.nan) for x in (STUDENT, TEACHER)))
    assert np.isfinite(value)
    assert nan == value
    np.testing.assert_array_equal(own, gradient)
    assert np.asarray(own)[MASK].any()
    assert not np.asarray(own)[~MASK].any()


@pytest.mark.parametrize("loss", OF_MASKED.values(), ids=OF_MASKED)
def test_a_program_that_lets_jax_promote_no_ranks_may_use_them(loss) -> None:
    arrays = jnp.asarray(STUDENT), jnp.asarray(TEACHER)
    with jax.numpy_rank_promotion("raise"):
        assert jax.eval_shape(jax.grad(loss), *arrays).shape == STUDENT.shape


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("loss", OF_MASKED.values(), ids=OF_MASKED)
def test_a_program_that_lets_jax_promote_no_types_may_use_them(loss, dtype) -> None:
    student, teacher = (jnp.asarray(x, dtype) for x in (STUDENT, TEACHER))
    with jax.numpy_dtype_promotion("strict"):
        value, gradient = jax.eval_shape(jax.value_and_grad(loss), student, teacher)
    assert (value.dtype, gradient.dtype) == (jnp.float32, dtype)


def test_means_add_up_and_means_of_means_do_not() -> None:
    halves = [masked_lm(STUDENT[i], LABELS[i]) for i in range(3)]
    whole = masked_lm(STUDENT, LABELS)
    together = halves[0] + halves[1] + halves[2]
    assert float(together.value()) == pytest.approx(float(whole.value()), rel=1e-6)
    of_means = np.mean([float(half.value()) for half in halves])
    assert of_means != pytest.approx(float(whole.value()), rel=1e-3)


def test_a_mean_of_nothing_is_zero() -> None:
    assert float(WeightedSum(jnp.zeros(()), jnp.zeros((), jnp.int32)).value()) == 0.0


def test_triple_weighs_the_three() -> None:
    means = [WeightedSum(jnp.float32(total), jnp.int32(2)) for total in (2.0, 4.0, 6.0)]
    assert float(losses.distilbert_loss(*means)) == 5 * 1 + 2 * 2 + 1 * 3
    weighted = losses.distilbert_loss(
        *means, soft_target_weight=1.0, masked_lm_weight=0.0, cosine_weight=2.0
    )
    assert float(weighted) == 1 + 2 * 3


def test_a_label_that_is_no_token_is_not_silently_another() -> None:
    """-1 indexes the last token, and some programs mean by it what -100 means here."""
    for label in (-1, 11):
        assert np.isnan(losses.masked_lm(jnp.asarray(STUDENT), jnp.full((3, 5), label)).total)


@pytest.mark.parametrize("divergence", ["forward", "reverse", "jensen_shannon"])
def test_a_token_that_both_rule_out_has_no_share(divergence: str) -> None:
    """Logits of -inf, as of a vocabulary that is filled up to whole tiles."""
    ruled_out = jnp.arange(13) > 10
    student, teacher = (
        jnp.pad(x, ((0, 0), (0, 0), (0, 2)), constant_values=-jnp.inf) for x in (STUDENT, TEACHER)
    )

    def loss(student, teacher):
        options = {"temperature": 2.0, "divergence": divergence}
        return losses.soft_target(*map(jnp.asarray, (student, teacher, MASK)), **options).total

    found, gradient = jax.value_and_grad(loss)(student, teacher)
    assert float(found) == pytest.approx(float(loss(STUDENT, TEACHER)), rel=1e-6)
    assert not np.asarray(gradient[..., ruled_out]).any()
    np.testing.assert_allclose(
        gradient[..., ~ruled_out], jax.grad(loss)(jnp.asarray(STUDENT), TEACHER), atol=1e-7
    )


def test_logits_that_both_rule_out_have_no_squared_distance() -> None:
    def loss(student, teacher):
        return losses.logit_mse(student, teacher, SEEN).total

    program = jax.value_and_grad(loss)
    value, gradient = program(jnp.asarray(STUDENT), jnp.asarray(TEACHER))
    ruled_out = (jnp.insert(x, 4, -jnp.inf, axis=-1) for x in (STUDENT, TEACHER))
    found, own = program(*ruled_out)
    assert found == value
    np.testing.assert_array_equal(own, jnp.insert(gradient, 4, 0.0, axis=-1))
