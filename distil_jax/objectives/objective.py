"""What one term of the loss is: its needs, its count, and its sum."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from distil_jax.configuration.schema import Loss
from distil_jax.losses import IGNORE, WeightedSum
from distil_jax.losses.fused_vocabulary import LogitChunk, Term
from distil_jax.losses.vocabulary_teacher import StoredTokens
from distil_jax.models import EncoderConfig
from distil_jax.models.intermediates import Intermediates, Request
from distil_jax.models.types import Batch, Hidden


@dataclass(frozen=True)
class MaskedLMOutput:
    """A model's masked-LM head: logits are `transform(hidden) @ table.T + bias`.

    Attributes:
      known: of a teacher, which of the student's tokens it has; None: all.
      rest: of a teacher whose vocabulary goes on behind the student's: the token that stands for
        the others (`losses.vocabulary_bucket`); None: there are no others.
      kept: how many tokens the student has of it, then.
    """

    transform: Callable[[Hidden], Hidden]
    table: Float[Array, "vocabulary hidden_size"]
    bias: Float[Array, " vocabulary"]
    rest: int | None = None
    kept: int = 0
    known: Bool[Array, " vocabulary"] | None = None


@dataclass(frozen=True)
class StoredDistributions:
    """A teacher's likeliest tokens, at each row's masked positions or at all.

    Attributes:
      tokens: arrays [rows, positions, ...].
      masked: whether the positions are those that `masked_positions` names.
    """

    tokens: StoredTokens
    masked: bool


@dataclass(frozen=True)
class Outputs:
    """What a model computed for a batch: hidden states and whatever else was requested.

    Attributes:
      masked_lm: the head over the vocabulary, not yet applied; None where the model has none.
      task: outputs of a task's head [examples, ...]; None where there is none.
      vectors: of each row's segments [rows, segments, width]; None where sentences have none.
      pair_scores: a cross-encoder's of each two segments [rows, pairs]; None without one.
      stored: distributions that were stored in the head's place.
    """

    intermediates: Intermediates
    masked_lm: MaskedLMOutput | None = None
    task: Any = None
    vectors: Any = None
    stored: StoredDistributions | None = None
    pair_scores: Any = None


@dataclass(frozen=True)
class SeveralOutputs:
    """What several teachers computed for a batch.

    Attributes:
      weights: of their distributions; they add to 1.
      teacher_of: which of them an objective of hidden states compares with; the first if unnamed.
      shapes: of the teachers.
    """

    members: tuple[Outputs, ...]
    weights: tuple[float, ...]
    teacher_of: Mapping[str, int]
    shapes: tuple[EncoderConfig, ...]


@dataclass(frozen=True)
class Inputs:
    """All that an objective's sum may depend on.

    Attributes:
      student: `Outputs`; several teachers' `SeveralOutputs` where these are scored as one model.
      teacher: `Outputs`, or `SeveralOutputs` before `for_objective`; None where no active
        objective needs one.
      batch: segments [rows, length] (0: padding), and labels [rows, length] (-100: none) where
        tokens are masked.
      loss: the config's section, for options.
      temperature: of this step; may be traced.
      max_masked: the most labelled tokens of a row.
      matmul_dtype: of the vocabulary matmuls' operands.
      projections: the objectives' own trained parameters, by objective.
      shapes: of student and teacher; None where no objective names layers.
    """

    student: Outputs | Any
    teacher: Any
    batch: Batch
    loss: Loss
    temperature: float | Array
    max_masked: int = 0
    matmul_dtype: str = "float32"
    projections: Mapping[str, Any] = field(default_factory=dict)
    shapes: tuple[EncoderConfig, EncoderConfig | None] | None = None

    @property
    def compared_shapes(self) -> tuple[EncoderConfig, EncoderConfig]:
        """The shapes of two models that are compared."""
        assert self.shapes is not None
        student, teacher = self.shapes
        assert teacher is not None
        return student, teacher

    def for_objective(self, name: str) -> "Inputs":
        """The same with the one teacher that an objective compares with."""
        if not isinstance(self.teacher, SeveralOutputs):
            return self
        several, number = self.teacher, self.teacher.teacher_of.get(name, 0)
        shapes = None if self.shapes is None else (self.shapes[0], several.shapes[number])
        return replace(self, teacher=several.members[number], shapes=shapes)


@dataclass(frozen=True)
class VocabularyTerm:
    """A loss of the logits, twice: fused with its gradient, and as the plain formula.

    `plain(student_logits, teacher_logits, labels, mask, temperature)` takes logits
    [tokens, vocabulary]; validation uses it, and tests hold `fused` against it. Where it is None,
    validation takes the sum of `fused`.
    """

    fused: Term
    plain: Callable[[Array, Any, Array, Array, Any], WeightedSum] | None = None


Requested = Callable[[EncoderConfig, EncoderConfig | None], tuple[Request, Request]]
Projected = Callable[[EncoderConfig, EncoderConfig | None], Mapping[str, tuple[int, int]]]


def _nothing_requested(_: EncoderConfig, __: EncoderConfig | None) -> tuple[Request, Request]:
    return Request(), Request()


def _nothing_projected(_: EncoderConfig, __: EncoderConfig | None) -> Mapping[str, tuple[int, int]]:
    return {}


def _no_matrices(_: int, __: int) -> Mapping[str, tuple[int, int]]:
    return {}


def _nothing_to_check(_: EncoderConfig, __: EncoderConfig) -> None:
    return None


def _names_no_layers(_: EncoderConfig, __: EncoderConfig) -> str:
    return ""


def _no_floor(_: Mapping[str, float]) -> float | None:
    return None


def _no_flops(_: EncoderConfig, __: EncoderConfig | None, ___: int) -> float:
    return 0.0


@dataclass(frozen=True)
class Objective:
    """One term of the loss.

    Attributes:
      name: as in `config.loss.NAME`, in metrics.jsonl and in reports.
      count: how many terms it averages over, from the (masked) batch alone.
      compute: the sum and count of a micro-batch; None for a loss of the logits.
      vocabulary: what it is instead, then.
      needs_teacher: whether it compares with a teacher; as in the table's entry.
      requests: intermediates that it needs of student and teacher, from their shapes.
      same: what of their shapes must be equal ("vocabulary", "hidden_size").
      causal: True: of causal models alone; False: of others alone; None: of any.
      softened: whether the temperature changes its value.
      standard: measured on validation text whatever its weight, wherever it can be.
      floor: the lowest value to hope for, from the teacher's validation figures; None: unknown.
      flops: forward FLOPs per token besides the models' own, from the shapes and the row length;
        a step computes them three times, forward and backward.
      configure: the objective under these options of `config.loss.options.NAME`; None: it has none.
      teacher: which teacher it compares with, by its place in the list of teachers.
      projections: name and shape [student width, teacher width] of matrices of its own that are
        trained with the student, kept in checkpoints, and no part of the student.
      vector_projections: such matrices by the widths of sentence vectors.
      check: raises `UserError` for two models that its options do not fit.
      layers: the layers that it compares, a line for people; empty where it names none.
      reads_last: whether it reads the teacher's last hidden state without a request for it.
    """

    name: str
    count: Callable[[Batch, Loss], Int[Array, ""]]
    compute: Callable[[Inputs], WeightedSum] | None = None
    vocabulary: VocabularyTerm | None = None
    needs_teacher: bool = True
    requests: Requested = _nothing_requested
    same: tuple[str, ...] = ()
    causal: bool | None = None
    softened: bool = False
    standard: bool = False
    floor: Callable[[Mapping[str, float]], float | None] = _no_floor
    flops: Callable[[EncoderConfig, EncoderConfig | None, int], float] = _no_flops
    configure: "Callable[[Mapping[str, Any]], Objective] | None" = None
    teacher: int = 0
    projections: Projected = _nothing_projected
    vector_projections: Callable[[int, int], Mapping[str, tuple[int, int]]] = _no_matrices
    check: Callable[[EncoderConfig, EncoderConfig], None] = _nothing_to_check
    layers: Callable[[EncoderConfig, EncoderConfig], str] = _names_no_layers
    reads_last: bool = True

    def __post_init__(self) -> None:
        """An objective is one or the other."""
        if (self.compute is None) == (self.vocabulary is None):
            raise ValueError(f"objective {self.name} needs either compute or vocabulary")

    def under(self, loss: Loss) -> "Objective":
        """This objective with the options of a config."""
        options = loss.options.get(self.name)
        return self if self.configure is None or options is None else self.configure(options)

    def for_vectors(self, student: int, teacher: int) -> "Objective":
        """This objective for sentence vectors of these widths."""
        found = self.vector_projections(student, teacher)
        return replace(self, projections=lambda _, __: found) if found else self

    def sum_of(self, seen: LogitChunk) -> WeightedSum:
        """The sum over some tokens alone, as validation needs it."""
        term = self.vocabulary
        assert term is not None
        if term.plain is None:
            return term.fused(seen)[0]
        student, teacher = seen.student, None
        if self.needs_teacher:
            student, teacher = seen.compared, seen.teacher()
        return term.plain(student, teacher, seen.labels, seen.mask, seen.temperature)

    def suits(self, student: EncoderConfig) -> bool:
        """Whether a model of this shape can learn it."""
        return self.causal in (None, student.block.causal)

    def comparable(self, student: EncoderConfig, teacher: EncoderConfig | None) -> bool:
        """Whether these two have the shapes that must be equal."""
        return teacher is not None and all(
            getattr(student, field) == getattr(teacher, field) for field in self.same
        )


def all_tokens(batch: Batch, _: Loss) -> Int[Array, ""]:
    """The batch's tokens, padding left out."""
    return jnp.sum(batch["segments"] > 0, dtype=jnp.int32)


def labelled_tokens(batch: Batch, _: Loss) -> Int[Array, ""]:
    """The tokens that have a label: those that were masked."""
    return jnp.sum(batch["labels"] != IGNORE, dtype=jnp.int32)


def selected_tokens(batch: Batch, loss: Loss) -> Int[Array, ""]:
    """The tokens that config.loss.positions names."""
    count = labelled_tokens if loss.positions == "masked" else all_tokens
    return count(batch, loss)
