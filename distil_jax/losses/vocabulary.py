"""Soft-target and masked-LM losses and their gradients, without a [tokens, vocabulary] array.

Both losses need the logits of every token, and BERT's vocabulary is forty times its width. Chunk by
chunk, the logits of student and teacher are formed, the two losses and the gradient of the logits
follow at once, and two more products take it back to the hidden states and the embedding table:
four vocabulary products per token, as many as the plain formulas need, and nothing is recomputed.
The plain formulas are `soft_target` and `masked_lm`; tests hold this file against them.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, DTypeLike, Float, Int, Shaped

from distil_jax.losses.masked_lm import IGNORE
from distil_jax.losses.weighted_sum import WeightedSum


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class VocabularyMeans:
    """What `vocabulary_losses` measured; for logging, not for differentiation."""

    soft_target: WeightedSum
    masked_lm: WeightedSum
    logit_mse: WeightedSum


class _Student(NamedTuple):
    hidden: Float[Array, "tokens width"]
    table: Float[Array, "vocabulary width"]
    bias: Float[Array, " vocabulary"]


class _Targets(NamedTuple):
    """What the student is held against; None for a teacher leaves the soft target out."""

    teacher: _Student | None
    labels: Int[Array, " tokens"]
    mask: Shaped[Array, " tokens"]


class _Scales(NamedTuple):
    soft: Float[Array, ""]
    mlm: Float[Array, ""]
    mse: Float[Array, ""] | None
    temperature: Float[Array, ""]


def vocabulary_losses(
    student_hidden: Float[Array, "*tokens width"],
    student_table: Float[Array, "vocabulary width"],
    student_bias: Float[Array, " vocabulary"],
    teacher_hidden: Float[Array, "*tokens teacher_width"] | None,
    teacher_table: Float[Array, "vocabulary teacher_width"] | None,
    teacher_bias: Float[Array, " vocabulary"] | None,
    labels: Int[Array, "*tokens"],
    mask: Shaped[Array, "*tokens"],
    *,
    soft_scale: float | Float[Array, ""],
    mlm_scale: float | Float[Array, ""],
    temperature: float | Float[Array, ""],
    mse_scale: float | Float[Array, ""] | None = None,
    chunk: int = 128,
    product_dtype: DTypeLike = jnp.float32,
) -> tuple[Float[Array, ""], VocabularyMeans]:
    """`soft_scale` x the soft-target sum + `mlm_scale` x the masked-LM sum, and the means.

    Args:
      student_hidden, teacher_hidden: what the decoder multiplies: the output of the MLM transform.
        A teacher of None leaves the soft target out.
      student_table, teacher_table: decoder matrices, mostly the (tied) token embeddings.
      labels: token ids; -100 where nothing is to be predicted.
      mask: not 0 where the soft target counts.
      soft_scale, mlm_scale: weight / count over the whole global batch; may be traced.
      temperature: of the soft target; may be traced.
      mse_scale: the same for the squared distance of the logits, where `mask` is not 0; None,
        or no teacher, leaves it out.
      chunk: tokens whose logits exist at one time.
      product_dtype: of the operands of the four products; sums and statistics are float32.

    Returns:
      The scalar loss, differentiable with respect to the student's three arrays (the teacher,
      the scales and the temperature are constants), and `VocabularyMeans`, not differentiable.

    Raises:
      ValueError: a teacher's hidden states without its table or its bias.
    """
    tokens = labels.size
    chunk = min(chunk, tokens)
    padding = -tokens % chunk

    def rows(array: Array, fill: int = 0) -> Array:
        flat = array.reshape(tokens, *array.shape[labels.ndim :])
        return jnp.pad(flat, ((0, padding),) + ((0, 0),) * (flat.ndim - 1), constant_values=fill)

    teacher = None
    if teacher_hidden is not None:
        if teacher_table is None or teacher_bias is None:
            raise ValueError("teacher_hidden needs teacher_table and teacher_bias")
        teacher = _Student(rows(teacher_hidden), teacher_table, teacher_bias)
    scales = _Scales(
        jnp.asarray(soft_scale, jnp.float32),
        jnp.asarray(mlm_scale, jnp.float32),
        None if mse_scale is None else jnp.asarray(mse_scale, jnp.float32),
        jnp.asarray(temperature, jnp.float32),
    )
    return _losses(
        chunk,
        jnp.dtype(product_dtype),
        _Student(rows(student_hidden), student_table, student_bias),
        jax.lax.stop_gradient(_Targets(teacher, rows(labels, IGNORE), rows(mask))),
        jax.lax.stop_gradient(scales),
    )


def _product(left: Array, right: Array, contract: tuple[int, int], dtype: DTypeLike) -> Array:
    return jax.lax.dot_general(
        left.astype(dtype),
        right.astype(dtype),
        (((contract[0],), (contract[1],)), ((), ())),
        preferred_element_type=jnp.float32,
    )


def _logits(side: _Student, dtype: DTypeLike) -> Float[Array, "chunk vocabulary"]:
    return _product(side.hidden, side.table, (1, 1), dtype) + side.bias.astype(jnp.float32)


def _soft_target(
    logits: Array, teacher: Array, mask: Array, scales: _Scales
) -> tuple[WeightedSum, Array]:
    """The soft-target sum of one chunk and its gradient with respect to the student's logits."""
    temperature = scales.temperature
    student_log = jax.nn.log_softmax(logits / temperature)
    teacher_log = jax.nn.log_softmax(teacher / temperature)
    teacher_share = jnp.exp(teacher_log)
    divergence = jnp.sum(teacher_share * (teacher_log - student_log), axis=-1)
    gradient = temperature * (jnp.exp(student_log) - teacher_share)
    return WeightedSum.of(divergence * temperature**2, mask), jnp.where(
        mask[:, None] != 0, gradient, 0.0
    )


def _masked_lm(logits: Array, labels: Array) -> tuple[WeightedSum, Array]:
    """The masked-LM sum of one chunk and its gradient with respect to the logits."""
    kept = labels != IGNORE
    log_share = jax.nn.log_softmax(logits)
    label = jnp.where(kept, labels, 0)[:, None]
    entropy = -jnp.take_along_axis(log_share, label, axis=1)[:, 0]
    hit = jax.lax.broadcasted_iota(label.dtype, logits.shape, 1) == label
    gradient = jnp.exp(log_share) - hit.astype(jnp.float32)
    return WeightedSum.of(entropy, kept), jnp.where(kept[:, None], gradient, 0.0)


def _logit_mse(logits: Array, teacher: Array, mask: Array) -> tuple[WeightedSum, Array]:
    """The squared distance of one chunk's logits and its gradient."""
    difference = logits - teacher
    squared = jnp.sum(difference**2, axis=-1)
    return WeightedSum.of(squared, mask), jnp.where(mask[:, None] != 0, 2.0 * difference, 0.0)


def _measure(
    student: _Student, targets: _Targets, scales: _Scales, dtype: DTypeLike
) -> tuple[VocabularyMeans, Array]:
    """One chunk's means and the gradient of its share of the loss with respect to its logits."""
    logits = _logits(student, dtype)
    masked_lm, gradient = _masked_lm(logits, targets.labels)
    gradient = gradient * scales.mlm
    soft, mse = _nothing(), _nothing()
    if targets.teacher is not None:
        teacher = _logits(targets.teacher, dtype)
        soft, soft_gradient = _soft_target(logits, teacher, targets.mask, scales)
        gradient = gradient + soft_gradient * scales.soft
        if scales.mse is not None:
            mse, mse_gradient = _logit_mse(logits, teacher, targets.mask)
            gradient = gradient + mse_gradient * scales.mse
    return VocabularyMeans(soft, masked_lm, mse), gradient


def _nothing() -> WeightedSum:
    return WeightedSum(jnp.zeros((), jnp.float32), jnp.zeros((), jnp.int32))


def _chunks(
    chunk: int, student: _Student, targets: _Targets
) -> tuple[Array, Array | None, Array, Array]:
    def split(array: Array) -> Array:
        return array.reshape(-1, chunk, *array.shape[1:])

    teacher = None if targets.teacher is None else split(targets.teacher.hidden)
    return split(student.hidden), teacher, split(targets.labels), split(targets.mask)


def _scan(
    chunk: int,
    dtype: DTypeLike,
    student: _Student,
    targets: _Targets,
    scales: _Scales,
    *,
    with_gradient: bool,
) -> tuple[VocabularyMeans, _Student | None]:
    """The means over all chunks and, if asked for, the gradient of the loss (float32)."""

    def one(carry: tuple, xs: tuple) -> tuple[tuple, Array | None]:
        means, table, bias = carry
        hidden, teacher_hidden, labels, mask = xs
        teacher = (
            None if targets.teacher is None else targets.teacher._replace(hidden=teacher_hidden)
        )
        more, gradient = _measure(
            student._replace(hidden=hidden), _Targets(teacher, labels, mask), scales, dtype
        )
        means = jax.tree.map(jnp.add, means, more)
        if not with_gradient:
            return (means, table, bias), None
        table = table + _product(gradient, hidden, (0, 0), dtype)
        bias = bias + jnp.sum(gradient, axis=0)
        return (means, table, bias), _product(gradient, student.table, (1, 0), dtype)

    start = (
        VocabularyMeans(_nothing(), _nothing(), _nothing()),
        jnp.zeros(student.table.shape if with_gradient else (), jnp.float32),
        jnp.zeros(student.bias.shape if with_gradient else (), jnp.float32),
    )
    (means, table, bias), hidden = jax.lax.scan(one, start, _chunks(chunk, student, targets))
    if hidden is None:
        return means, None
    return means, _Student(hidden.reshape(student.hidden.shape), table, bias)


def _weighted(means: VocabularyMeans, scales: _Scales) -> Float[Array, ""]:
    loss = scales.soft * means.soft_target.total + scales.mlm * means.masked_lm.total
    return loss if scales.mse is None else loss + scales.mse * means.logit_mse.total


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _losses(
    chunk: int, dtype: DTypeLike, student: _Student, targets: _Targets, scales: _Scales
) -> tuple[Array, VocabularyMeans]:
    means, _ = _scan(chunk, dtype, student, targets, scales, with_gradient=False)
    return _weighted(means, scales), means


def _forward(
    chunk: int, dtype: DTypeLike, student: _Student, targets: _Targets, scales: _Scales
) -> tuple[tuple[Array, VocabularyMeans], _Student]:
    means, gradient = _scan(chunk, dtype, student, targets, scales, with_gradient=True)
    assert gradient is not None
    kept = jax.tree.map(lambda g, x: g.astype(x.dtype), gradient, student)
    return (_weighted(means, scales), means), kept


def _backward(
    chunk: int, dtype: DTypeLike, gradient: _Student, cotangent: tuple[Array, VocabularyMeans]
) -> tuple[_Student, None, None]:
    scale = cotangent[0]
    return jax.tree.map(lambda g: (g * scale).astype(g.dtype), gradient), None, None


_losses.defvjp(_forward, _backward)
