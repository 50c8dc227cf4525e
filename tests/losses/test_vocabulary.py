"""The chunked losses against the plain formulas."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from distil_jax.losses import IGNORE, logit_mse, masked_lm, soft_target, vocabulary_losses

pytestmark = pytest.mark.optimised
RANDOM = np.random.default_rng(0)
ROWS, LENGTH, WIDTH, VOCABULARY = 4, 33, 16, 97


def normal(*shape: int) -> jax.Array:
    return jnp.asarray(RANDOM.normal(size=shape), jnp.float32)


STUDENT = (normal(ROWS, LENGTH, WIDTH), normal(VOCABULARY, WIDTH), normal(VOCABULARY))
TEACHER = (normal(ROWS, LENGTH, 8), normal(VOCABULARY, 8), normal(VOCABULARY))
MASK = jnp.asarray(RANDOM.random((ROWS, LENGTH)) < 0.8)
LABELS = jnp.where(
    RANDOM.random((ROWS, LENGTH)) < 0.15, RANDOM.integers(0, VOCABULARY, (ROWS, LENGTH)), IGNORE
).astype(jnp.int32)


def plain(student, temperature, soft_scale=0.3, mlm_scale=0.7):
    logits = student[0] @ student[1].T + student[2]
    teacher = TEACHER[0] @ TEACHER[1].T + TEACHER[2]
    soft = soft_target(logits, teacher, MASK, temperature=temperature)
    mlm = masked_lm(logits, LABELS)
    return soft_scale * soft.total + mlm_scale * mlm.total, (soft, mlm)


def chunked(student, temperature, soft_scale=0.3, mlm_scale=0.7, **options):
    loss, means = vocabulary_losses(
        *student, *TEACHER, LABELS, MASK,
        soft_scale=soft_scale, mlm_scale=mlm_scale, temperature=temperature, **options,
    )  # fmt: skip
    return loss, (means.soft_target, means.masked_lm)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("chunk", [1, 16, 132, 1000])
def test_losses_and_gradients_equal_the_plain_formulas(temperature: float, chunk: int) -> None:
    (loss, means), gradient = jax.value_and_grad(
        lambda student: chunked(student, temperature, chunk=chunk), has_aux=True
    )(STUDENT)
    (expected, plain_means), plain_gradient = jax.value_and_grad(plain, has_aux=True)(
        STUDENT, temperature
    )
    assert float(loss) == pytest.approx(float(expected), rel=1e-6)
    for mean, plain_mean in zip(means, plain_means, strict=True):
        assert float(mean.total) == pytest.approx(float(plain_mean.total), rel=1e-6)
        assert int(mean.count) == int(plain_mean.count)
    for ours, theirs in zip(gradient, plain_gradient, strict=True):
        assert float(jnp.linalg.norm(ours - theirs) / jnp.linalg.norm(theirs)) < 1e-5


def test_scales_and_temperature_may_be_traced() -> None:
    traced = jax.jit(lambda t, s, m: chunked(STUDENT, t, s, m, chunk=16)[0])
    expected = plain(STUDENT, 3.0, 0.1, 0.2)[0]
    assert float(traced(3.0, 0.1, 0.2)) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("chunk", [16, 1000])
def test_the_squared_distance_of_logits_joins_in(chunk: int) -> None:
    def with_mse(student):
        loss, means = vocabulary_losses(
            *student, *TEACHER, LABELS, MASK,
            soft_scale=0.3, mlm_scale=0.7, mse_scale=0.01, temperature=2.0, chunk=chunk,
        )  # fmt: skip
        return loss, means.logit_mse

    def formulas(student):
        logits = student[0] @ student[1].T + student[2]
        mse = logit_mse(logits, TEACHER[0] @ TEACHER[1].T + TEACHER[2], MASK)
        return plain(student, 2.0)[0] + 0.01 * mse.total, mse

    (loss, mean), gradient = jax.value_and_grad(with_mse, has_aux=True)(STUDENT)
    (expected, plain_mean), plain_gradient = jax.value_and_grad(formulas, has_aux=True)(STUDENT)
    assert float(loss) == pytest.approx(float(expected), rel=1e-6)
    assert float(mean.value()) == pytest.approx(float(plain_mean.value()), rel=1e-6)
    for ours, theirs in zip(gradient, plain_gradient, strict=True):
        assert float(jnp.linalg.norm(ours - theirs) / jnp.linalg.norm(theirs)) < 1e-5


def test_without_a_teacher_it_is_masked_lm_alone() -> None:
    loss, means = vocabulary_losses(
        *STUDENT, None, None, None, LABELS, MASK, soft_scale=0.3, mlm_scale=0.7, temperature=2.0
    )
    logits = STUDENT[0] @ STUDENT[1].T + STUDENT[2]
    assert float(loss) == pytest.approx(0.7 * float(masked_lm(logits, LABELS).total), rel=1e-6)
    assert int(means.soft_target.count) == 0


def test_bfloat16_products_stay_close() -> None:
    loss = chunked(STUDENT, 2.0, product_dtype=jnp.bfloat16)[0]
    assert float(loss) == pytest.approx(float(plain(STUDENT, 2.0)[0]), rel=1e-2)
    assert loss.dtype == jnp.float32


def test_in_bfloat16_columns_of_padding_add_no_squared_distance() -> None:
    """A teacher's bias is of its own type, and rounds what stands in the columns."""
    teacher = tuple(x.astype(jnp.bfloat16) for x in TEACHER)
    means = vocabulary_losses(
        *STUDENT, *teacher, LABELS, MASK,
        soft_scale=0.0, mlm_scale=0.0, mse_scale=1.0, temperature=1.0, product_dtype=jnp.bfloat16,
    )[1]  # fmt: skip
    logits = STUDENT[0] @ STUDENT[1].T + STUDENT[2]
    expected = logit_mse(logits, TEACHER[0] @ TEACHER[1].T + TEACHER[2], MASK)
    assert float(means.logit_mse.value()) == pytest.approx(float(expected.value()), rel=2e-2)


def test_distributions_that_nearly_agree_are_told_by_less_than_a_millionth() -> None:
    """Their divergence is far below the rounding of either's logarithms."""
    teacher = normal(1, 1, WIDTH), normal(5000, WIDTH), normal(5000)
    student = (teacher[0], teacher[1], teacher[2] + 1e-3 * normal(5000))
    labels, mask = jnp.full((1, 1), IGNORE), jnp.ones((1, 1))
    options = {"soft_scale": 1.0, "mlm_scale": 0.0, "temperature": 1.0}
    found = vocabulary_losses(*student, *teacher, labels, mask, **options)[1].soft_target.total
    logits = [np.asarray(x[0] @ x[1].T + x[2], np.float64)[0, 0] for x in (teacher, student)]
    logs = [x - np.log(np.exp(x - x.max()).sum()) - x.max() for x in logits]
    expected = (np.exp(logs[0]) * (logs[0] - logs[1])).sum()
    assert 0 < expected < 1e-5
    assert float(found) == pytest.approx(expected, abs=5e-7)
    same = vocabulary_losses(*teacher, *teacher, labels, mask, **options)[1].soft_target.total
    assert float(same) == 0


def test_in_bfloat16_the_labels_logit_is_that_of_the_gradient() -> None:
    """The loss falls by what its gradient says, although the matmuls round."""
    table, bias = STUDENT[1].astype(jnp.bfloat16).astype(jnp.float32), STUDENT[2]
    hidden = STUDENT[0].astype(jnp.bfloat16).astype(jnp.float32) + 1e-3
    loss, means = vocabulary_losses(
        hidden, table, bias, None, None, None, LABELS, MASK,
        soft_scale=0.0, mlm_scale=1.0, temperature=1.0, product_dtype=jnp.bfloat16,
    )  # fmt: skip
    rounded = hidden.astype(jnp.bfloat16).astype(jnp.float32)
    expected = masked_lm(rounded @ table.T + bias, LABELS)
    assert float(means.masked_lm.total) == pytest.approx(float(expected.total), rel=1e-6)
    assert float(loss) == pytest.approx(float(expected.total), rel=1e-6)


def test_no_array_has_all_tokens_and_the_vocabulary() -> None:
    """97 is prime: a shape that has it as a factor is a vocabulary array."""
    step = jax.jit(jax.grad(lambda s: chunked(s, 2.0, chunk=16)[0]))
    text = step.lower(STUDENT).compile().as_text()
    found = set()
    for dimensions in re.findall(r"f32\[([\d,]+)\]", text):
        sizes = [int(size) for size in dimensions.split(",")]
        if VOCABULARY in sizes:
            found.add(int(np.prod(sizes)) // VOCABULARY)
    assert found, "no vocabulary array at all: the pattern no longer fits the text"
    assert max(found) <= 2 * 16


def test_a_token_ruled_out_by_its_bias_and_a_label_that_is_none() -> None:
    ruled_out = jnp.pad(STUDENT[1], ((0, 1), (0, 0))), jnp.append(STUDENT[2], -jnp.inf)
    teacher = jnp.pad(TEACHER[1], ((0, 1), (0, 0))), jnp.append(TEACHER[2], -jnp.inf)
    options = {"soft_scale": 0.3, "mlm_scale": 0.7, "temperature": 2.0}
    found, _ = vocabulary_losses(
        STUDENT[0], *ruled_out, TEACHER[0], *teacher, LABELS, MASK, **options
    )
    assert float(found) == pytest.approx(float(plain(STUDENT, 2.0)[0]), rel=1e-6)
    wrong = jnp.where(LABELS == IGNORE, IGNORE, -1)
    assert np.isnan(vocabulary_losses(*STUDENT, *TEACHER, wrong, MASK, **options)[0])


def test_no_tokens_are_a_loss_of_zero() -> None:
    student, teacher = STUDENT[0][:0], TEACHER[0][:0]
    scales = {"soft_scale": 0.3, "mlm_scale": 0.7, "temperature": 2.0}

    def loss(student):
        return vocabulary_losses(*student, teacher, *TEACHER[1:], LABELS[:0], MASK[:0], **scales)[0]

    found, gradient = jax.value_and_grad(loss)((student, *STUDENT[1:]))
    assert float(found) == 0
    assert not any(np.asarray(leaf).any() for leaf in gradient)
