"""Losses of the logits and their gradients, without a [tokens, vocabulary] array.

Such losses need the logits of every token, and BERT's vocabulary is forty times its hidden size.
Chunk by chunk, the logits of student and teacher are formed, the losses and the gradient of the
logits follow at once, and two more matmuls take it back to the hidden states and the table: four
vocabulary matmuls per token, as many as the plain formulas need, and nothing is recomputed. Several
losses share the logits.
"""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, DTypeLike, Float, Int, Shaped

from distil_jax.losses.chunks import even_chunk
from distil_jax.losses.manual_axes import check_whole, differing, zero_of
from distil_jax.losses.masked_lm import IGNORE
from distil_jax.losses.top_tokens import TopTokens
from distil_jax.losses.vocabulary_teacher import UNKNOWN, Decoder, Project, VocabularyTeacher
from distil_jax.losses.weighted_sum import WeightedSum


class LogitChunk(NamedTuple):
    """Some tokens with their logits [chunk, vocabulary], float32.

    `teacher()` forms the teacher's when a term first asks for them, `top(count)` the shares of its
    likeliest tokens at the temperature. `labels` are token ids, -100 where nothing is to be
    predicted; `mask` is not 0 where what compares with the teacher counts. `compared` are the
    student's logits with `UNKNOWN` where the teacher has no such token.
    """

    student: Float[Array, "chunk vocabulary"]
    teacher: Callable[[], Float[Array, "chunk vocabulary"]]
    labels: Int[Array, " chunk"]
    mask: Shaped[Array, " chunk"]
    temperature: Float[Array, ""]
    top: Callable[[int], TopTokens] | None = None
    known: Bool[Array, " vocabulary"] | None = None

    @property
    def compared(self) -> Float[Array, "chunk vocabulary"]:
        return self.student if self.known is None else jnp.where(self.known, self.student, UNKNOWN)


Term = Callable[[LogitChunk], tuple[WeightedSum, Float[Array, "chunk vocabulary"]]]
"""A loss of a chunk: its sum, and the gradient of that sum with respect to the student's logits."""

Terms = tuple[tuple[str, Term], ...]

LANES = 128
PADDED: list[Term] = []
"""Terms whose logits may be followed by columns of `UNKNOWN`."""


def takes_padding(term: Term) -> Term:
    """Mark a term that is the same over more tokens, if nobody ever predicts them."""
    PADDED.append(term)
    return term


class Targets(NamedTuple):
    """What the student is compared with; a teacher of None where no term needs one.

    `labels` and `mask` as in `LogitChunk`, for all tokens.
    """

    teacher: VocabularyTeacher | None
    labels: Int[Array, "*tokens"]
    mask: Shaped[Array, "*tokens"]


class _Scales(NamedTuple):
    terms: Mapping[str, Float[Array, ""]]
    temperature: Float[Array, ""]


def fused_vocabulary_losses(
    student: Decoder,
    targets: Targets,
    terms: Mapping[str, Term],
    scales: Mapping[str, float | Float[Array, ""]],
    *,
    temperature: float | Float[Array, ""],
    chunk: int = 128,
    matmul_dtype: DTypeLike = jnp.float32,
) -> tuple[Float[Array, ""], dict[str, WeightedSum]]:
    """The sum over `terms` of scale x loss, and each term's own sum.

    Args:
      terms: by name, in the order in which their gradients are added.
      scales: by name, weight / count over the whole global batch; may be traced.
      temperature: of the terms that soften distributions; may be traced.
      chunk: most tokens whose logits exist at one time.
      matmul_dtype: of the operands of the four matmuls; sums and statistics are float32. In
        bfloat16, tables are padded once to whole tiles, where all terms take that.

    Returns:
      The scalar loss, differentiable with respect to the student's three arrays (the teacher, the
      scales and the temperature are constants), and the sums, not differentiable.
    """
    check_whole((student, targets))
    teacher, labels, mask = targets
    tokens = labels.size
    chunk = even_chunk(tokens, chunk)
    padding = -tokens % chunk

    def rows(array: Array, fill: int = 0) -> Array:
        flat = array.reshape(tokens, *array.shape[labels.ndim :])
        return jnp.pad(flat, ((0, padding),) + ((0, 0),) * (flat.ndim - 1), constant_values=fill)

    padded = Targets(
        None if teacher is None else teacher.with_tokens(jax.tree.map(rows, teacher.by_token())),
        rows(labels, IGNORE),
        rows(mask),
    )
    constants = _Scales(
        {name: jnp.asarray(scales[name], jnp.float32) for name in terms},
        jnp.asarray(temperature, jnp.float32),
    )
    student = student._replace(hidden=rows(student.hidden))
    return _losses(
        chunk,
        jnp.dtype(matmul_dtype),
        tuple(terms.items()),
        differing(student, zero_of(student, padded, constants)),
        jax.lax.stop_gradient(padded),
        jax.lax.stop_gradient(constants),
    )


def _matmul(left: Array, right: Array, contract: tuple[int, int], dtype: DTypeLike) -> Array:
    return jax.lax.dot_general(
        left.astype(dtype),
        right.astype(dtype),
        (((contract[0],), (contract[1],)), ((), ())),
        preferred_element_type=jnp.float32,
    )


def _ready(side: Decoder, dtype: DTypeLike, *, pad: bool) -> Decoder:
    """A decoder whose table is in the matmuls' type; an accelerator's has a whole number of tiles.

    Else each chunk of logits would be padded, and copied for it.
    """
    if dtype == jnp.float32:
        return side
    # UNKNOWN must be the same number on both sides, and bfloat16 rounds it.
    table, bias, known = side.table.astype(dtype), side.bias.astype(jnp.float32), side.known
    more = -len(table) % LANES
    if more and pad:
        table = jnp.pad(table, ((0, more), (0, 0)))
        bias = jnp.pad(bias, (0, more), constant_values=UNKNOWN)
        known = None if known is None else jnp.pad(known, (0, more))
    return side._replace(table=table, bias=bias, known=known)


def _logits(side: Decoder, dtype: DTypeLike) -> Float[Array, "chunk vocabulary"]:
    return _matmul(side.hidden, side.table, (1, 1), dtype) + side.bias.astype(jnp.float32)[None]


def logit_chunk(
    student: Float[Array, "chunk vocabulary"],
    targets: Targets,
    temperature: Any,
    project: Project,
) -> LogitChunk:
    """What the terms see of some tokens; the teacher's logits are formed once, if at all."""

    def teacher() -> VocabularyTeacher:
        assert targets.teacher is not None, "a term compares with a teacher that is not there"
        return targets.teacher

    return LogitChunk(
        student,
        cache(lambda: teacher().logits(project, temperature)),
        targets.labels,
        targets.mask,
        temperature,
        cache(lambda count: teacher().top(count, project, temperature)),
        None if targets.teacher is None else targets.teacher.known,
    )


def _measure(
    terms: Terms, student: Decoder, targets: Targets, scales: _Scales, dtype: DTypeLike
) -> tuple[dict[str, WeightedSum], Array]:
    """One chunk's sums and the gradient of its share of the loss with respect to its logits."""

    seen = logit_chunk(
        _logits(student, dtype), targets, scales.temperature, partial(_logits, dtype=dtype)
    )
    sums, gradient = {}, None
    for name, term in terms:
        sums[name], of_term = term(seen)
        scaled = of_term * scales.terms[name]
        gradient = scaled if gradient is None else gradient + scaled
    assert gradient is not None, "there is a term: nobody asks for none"
    return sums, gradient


def _chunks(chunk: int, student: Decoder, targets: Targets) -> tuple[Array, Any, Array, Array]:
    def split(array: Array) -> Array:
        return array.reshape(-1, chunk, *array.shape[1:])

    teacher = None
    if targets.teacher is not None:
        teacher = jax.tree.map(split, targets.teacher.by_token())
    return split(student.hidden), teacher, split(targets.labels), split(targets.mask)


def _scan(
    chunk: int,
    dtype: DTypeLike,
    terms: Terms,
    student: Decoder,
    targets: Targets,
    scales: _Scales,
    *,
    with_gradient: bool,
) -> tuple[dict[str, WeightedSum], Decoder | None]:
    """The sums over all chunks and, if asked for, the gradient of the loss (float32)."""
    vocabulary = len(student.table)
    decoders = targets.teacher is None or isinstance(targets.teacher, Decoder)
    pad = decoders and all(term in PADDED for _, term in terms)
    student = _ready(student, dtype, pad=pad)
    if isinstance(targets.teacher, Decoder):
        targets = targets._replace(teacher=_ready(targets.teacher, dtype, pad=pad))
    # Carried with the last term first: of two orders the one for which XLA's buffers on a CPU hold
    # one chunk of logits less (jax 0.10.2, scanned layers).
    names = tuple(name for name, _ in reversed(terms))

    def one(carry: tuple, xs: tuple) -> tuple[tuple, Array | None]:
        sums, table, bias = carry
        hidden, of_teacher, labels, mask = xs
        teacher = None if targets.teacher is None else targets.teacher.with_tokens(of_teacher)
        more, gradient = _measure(
            terms, student._replace(hidden=hidden), Targets(teacher, labels, mask), scales, dtype
        )
        sums = tuple(total + more[name] for name, total in zip(names, sums, strict=True))
        if not with_gradient:
            return (sums, table, bias), None
        if dtype != jnp.float32:
            # Written once, as the matmuls take it; the bias would have it written in float32, too.
            gradient = jax.lax.optimization_barrier(gradient.astype(dtype))
        table = table + _matmul(gradient, hidden, (0, 0), dtype)
        bias = bias + jnp.sum(gradient.astype(jnp.float32), axis=0)
        return (sums, table, bias), _matmul(gradient, student.table, (1, 0), dtype)

    zero = zero_of(student, targets, scales)
    start = (
        (WeightedSum(zero, zero.astype(jnp.int32)),) * len(names),
        jnp.broadcast_to(zero, student.table.shape if with_gradient else ()),
        jnp.broadcast_to(zero, student.bias.shape if with_gradient else ()),
    )
    (carried, table, bias), hidden = jax.lax.scan(one, start, _chunks(chunk, student, targets))
    sums = dict(zip(names, carried, strict=True))
    if hidden is None:
        return sums, None
    hidden = hidden.reshape(student.hidden.shape)
    return sums, Decoder(hidden, table[:vocabulary], bias[:vocabulary])


def _weighted(terms: Terms, sums: Mapping[str, WeightedSum], scales: _Scales) -> Float[Array, ""]:
    first, *others = [scales.terms[name] * sums[name].total for name, _ in terms]
    return sum(others, start=first)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2))
def _losses(
    chunk: int,
    dtype: DTypeLike,
    terms: Terms,
    student: Decoder,
    targets: Targets,
    scales: _Scales,
) -> tuple[Array, dict[str, WeightedSum]]:
    sums, _ = _scan(chunk, dtype, terms, student, targets, scales, with_gradient=False)
    return _weighted(terms, sums, scales), sums


def _forward(
    chunk: int,
    dtype: DTypeLike,
    terms: Terms,
    student: Decoder,
    targets: Targets,
    scales: _Scales,
) -> tuple[tuple[Array, dict[str, WeightedSum]], Decoder]:
    sums, gradient = _scan(chunk, dtype, terms, student, targets, scales, with_gradient=True)
    assert gradient is not None
    kept = jax.tree.map(lambda g, x: g.astype(x.dtype), gradient, student)
    return (_weighted(terms, sums, scales), sums), kept


def _backward(
    chunk: int,
    dtype: DTypeLike,
    terms: Terms,
    gradient: Decoder,
    cotangent: tuple[Array, dict[str, WeightedSum]],
) -> tuple[Decoder, None, None]:
    scale = cotangent[0]
    scaled = jax.tree.map(lambda g: (scale * g.astype(jnp.float32)).astype(g.dtype), gradient)
    return scaled, None, None


_losses.defvjp(_forward, _backward)
