"""Soft-target and masked-LM losses and their gradients in one pass over the vocabulary.

The plain formulas are `soft_target`, `masked_lm` and `logit_mse`; tests hold this file against
them. `fused_vocabulary` has the loop, which takes any other loss of the logits too.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, DTypeLike, Float, Int, Shaped

from distil_jax.losses.counted import counted
from distil_jax.losses.divergence import DIVERGENCES
from distil_jax.losses.fused_vocabulary import (
    Decoder,
    LogitChunk,
    Targets,
    Term,
    fused_vocabulary_losses,
    takes_padding,
)
from distil_jax.losses.logit_mse import logit_mse
from distil_jax.losses.masked_lm import IGNORE
from distil_jax.losses.shapes import check_equal
from distil_jax.losses.top_tokens import in_buckets
from distil_jax.losses.vocabulary_teacher import UNKNOWN
from distil_jax.losses.weighted_sum import WeightedSum


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class VocabularyMeans:
    """What `vocabulary_losses` measured; for logging, not for differentiation."""

    soft_target: WeightedSum
    masked_lm: WeightedSum
    logit_mse: WeightedSum


def _largest(logits: Float[Array, "chunk vocabulary"]) -> Float[Array, "chunk 1"]:
    return jnp.max(logits, axis=-1, keepdims=True)


@takes_padding
def soft_target_term(seen: LogitChunk) -> tuple[WeightedSum, Array]:
    """`soft_target` of a chunk, and its gradient T (student - teacher) by the student's logits.

    The logits are read for their largest, once for all sums, and once for the gradient.
    """
    student, teacher, temperature = seen.compared, seen.teacher(), seen.temperature
    own = (student - _largest(student)) / temperature
    other = (teacher - _largest(teacher)) / temperature
    own_sum, other_sum = jnp.sum(jnp.exp(own), axis=-1), jnp.sum(jnp.exp(other), axis=-1)
    crossed = jnp.sum(jnp.exp(other) * (other - own), axis=-1) / other_sum
    # Of the quotient: the logarithms of two large sums would be rounded before they are subtracted.
    divergence = crossed + jnp.log(own_sum / other_sum)
    scale = jnp.where(seen.mask.astype(bool), temperature, 0.0)
    gradient = (scale / own_sum)[:, None] * jnp.exp(own)
    gradient = gradient - (scale / other_sum)[:, None] * jnp.exp(other)
    return WeightedSum.of(divergence * temperature**2, seen.mask), gradient


def divergence_term(divergence: str, top_k: int) -> Term:
    """`soft_target` with these options, and its gradient, which JAX derives."""

    def term(seen: LogitChunk) -> tuple[WeightedSum, Array]:
        temperature = seen.temperature
        vocabulary = seen.student.shape[-1]
        top = None
        if 0 < top_k < vocabulary:
            assert seen.top is not None
            top = jax.lax.stop_gradient(seen.top(top_k))
        logs = jax.nn.log_softmax(seen.teacher() / temperature) if top is None else top.logs()

        def total(student: Array) -> tuple[Array, WeightedSum]:
            own = jax.nn.log_softmax(student / temperature)
            own = own if top is None else in_buckets(own, top.ids)
            found = WeightedSum.of(DIVERGENCES[divergence](own, logs) * temperature**2, seen.mask)
            return found.total, found

        gradient, found = jax.grad(total, has_aux=True)(seen.compared)
        return found, gradient if seen.known is None else jnp.where(seen.known, gradient, 0.0)

    return term


@takes_padding
def masked_lm_term(seen: LogitChunk) -> tuple[WeightedSum, Array]:
    """`masked_lm` of a chunk, and its gradient softmax - one-hot by the logits."""
    kept = seen.labels != IGNORE
    own = seen.student - _largest(seen.student)
    label = jnp.where(kept, seen.labels, 0)[:, None]
    hit = jax.lax.broadcasted_iota(label.dtype, own.shape, 1) == label
    # A sum, not a look-up: it joins the other sums' pass on accelerators.
    of_label = jnp.sum(jnp.where(hit, own, 0.0), axis=-1)
    is_token = (seen.labels >= 0) & (seen.labels < own.shape[-1])
    of_label = jnp.where(kept & ~is_token, jnp.nan, of_label)
    total = jnp.sum(jnp.exp(own), axis=-1)
    scale = jnp.where(kept, 1 / total, 0.0)[:, None]
    gradient = scale * jnp.exp(own) - jnp.where(hit & kept[:, None], 1.0, 0.0)
    return WeightedSum.of(jnp.log(total) - of_label, kept), gradient


@takes_padding
def logit_mse_term(seen: LogitChunk) -> tuple[WeightedSum, Array]:
    """`logit_mse` of a chunk, and its gradient by the student's logits."""
    student, teacher = seen.compared, seen.teacher()
    gradient = 2.0 * (student - teacher)
    total = logit_mse(student, teacher, seen.mask)
    return total, jnp.where(seen.mask[:, None].astype(bool), gradient, 0.0)


TERMS: dict[str, Term] = {
    "masked_lm": masked_lm_term,
    "soft_target": soft_target_term,
    "logit_mse": logit_mse_term,
}


def vocabulary_losses(
    student_hidden: Float[Array, "*tokens hidden_size"],
    student_table: Float[Array, "vocabulary hidden_size"],
    student_bias: Float[Array, " vocabulary"],
    teacher_hidden: Float[Array, "*tokens teacher_hidden_size"] | None,
    teacher_table: Float[Array, "vocabulary teacher_hidden_size"] | None,
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
      labels, mask: ids, -100 where nothing is predicted; not 0 where the soft target counts.
      soft_scale, mlm_scale: weight / count over the whole global batch; these two and the
        temperature may be traced.
      mse_scale: the same for the logits' squared distance where `mask` is not 0; None: left out.
      chunk: most tokens whose logits exist at one time.
      product_dtype: of the operands of the four matmuls; sums and statistics are float32.

    Returns:
      The scalar loss, differentiable with respect to the student's three arrays (the teacher,
      the scales and the temperature are constants), and `VocabularyMeans`, not differentiable.

    Raises:
      ValueError: a teacher's hidden states without its table or its bias; shapes that do not fit.
    """
    if chunk < 1:
        raise ValueError(f"chunk={chunk} must be at least 1")
    tokens = {"labels": labels, "mask": mask}
    student = _decoder("student", student_hidden, student_table, student_bias, tokens)
    seen = mask.astype(bool) | (labels != IGNORE)
    student = student._replace(hidden=counted(student.hidden, seen))
    teacher = None
    if teacher_hidden is not None:
        if teacher_table is None or teacher_bias is None:
            raise ValueError("teacher_hidden needs teacher_table and teacher_bias")
        teacher = _decoder("teacher", teacher_hidden, teacher_table, teacher_bias, tokens)
        check_equal({"student_bias": student_bias, "teacher_bias": teacher_bias})
        teacher = teacher._replace(hidden=counted(teacher.hidden, mask))
    scales = {"masked_lm": mlm_scale, "soft_target": soft_scale, "logit_mse": mse_scale}
    used = ["masked_lm", *(["soft_target", "logit_mse"] if teacher else [])]
    loss, sums = fused_vocabulary_losses(
        student,
        Targets(teacher, labels, mask),
        {name: TERMS[name] for name in used if scales[name] is not None},
        {name: scale for name, scale in scales.items() if scale is not None},
        temperature=temperature,
        chunk=chunk,
        matmul_dtype=product_dtype,
    )
    return loss, VocabularyMeans(**{name: sums.get(name, WeightedSum.zero()) for name in scales})


def _decoder(
    side: str, hidden: Array, table: Array, bias: Array, tokens: Mapping[str, Array]
) -> Decoder:
    check_equal({f"the tokens of {side}_hidden": hidden.shape[:-1], **tokens})
    fitting = (*bias.shape, hidden.shape[-1])
    check_equal({f"{side}_bias and {side}_hidden": fitting, f"{side}_table": table})
    # A token that is ruled out by -inf has no share; inf - inf would be NaN.
    return Decoder(hidden, table, jnp.maximum(bias, UNKNOWN))
