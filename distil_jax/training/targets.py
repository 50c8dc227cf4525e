"""Where a student's targets come from: live teachers, a folder that holds them, or nowhere.

A source is asked within the compiled step. Its arrays are replicated (a teacher's parameters) or
come with the batch, as those of a folder do.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import reduce
from operator import or_
from typing import Any, Protocol, runtime_checkable

import jax.numpy as jnp
from jaxtyping import Array

from distil_jax.losses.vocabulary_teacher import StoredTokens
from distil_jax.models import EncoderConfig
from distil_jax.models.intermediates import Intermediates, Request, hidden_states
from distil_jax.models.types import Batch
from distil_jax.objectives import (
    Objective,
    Outputs,
    Requests,
    SeveralOutputs,
    StoredDistributions,
    requests_of,
)
from distil_jax.training.forward import AveragedModels, Model


@runtime_checkable
class TargetSource(Protocol):
    """What stands on the teacher's side of every objective."""

    @property
    def config(self) -> EncoderConfig | None:
        """The shape of what the targets are of; None where there are none."""

    def __call__(self, params: Any, batch: Batch, request: Any) -> Outputs | SeveralOutputs | None:
        """The targets of a masked micro-batch, which no gradient flows into.

        `params` are the arrays of this source, the same on all devices; `request` is a `Request`,
        or one for each of several teachers.
        """


@dataclass(frozen=True)
class NoTargets:
    """A student that learns from text or labels alone."""

    @property
    def config(self) -> None:
        return None

    def __call__(self, params: Any, batch: Batch, request: Request) -> None:
        """Nothing to compare with."""


@dataclass(frozen=True)
class LiveTeacher:
    """A teacher that reads the student's own masked batch, without dropout.

    Attributes:
      vocabulary: the student's tokens, where they are the first of the teacher's; 0: all.
      rest: the token that stands for the teacher's others, then.
    """

    model: Model
    vocabulary: int = 0
    rest: int | None = None

    @property
    def config(self) -> EncoderConfig:
        shape = self.model.config
        return replace(shape, vocabulary=self.vocabulary) if self.vocabulary else shape

    def __call__(self, params: Any, batch: Batch, request: Request) -> Outputs:
        """The teacher's outputs."""
        outputs = self.model(params, batch, request, None)
        if self.rest is None or outputs.masked_lm is None:
            return outputs
        head = replace(outputs.masked_lm, rest=self.rest, kept=self.config.vocabulary)
        return replace(outputs, masked_lm=head)


@runtime_checkable
class SelectiveSource(TargetSource, Protocol):
    """A source that has not the same for every objective."""

    def shape_for(self, objective: Objective) -> EncoderConfig | None:
        """The shape of what an objective compares with; None where this source lacks it."""


@dataclass(frozen=True)
class LiveTeachers:
    """Several teachers that read the student's own masked batch: probabilities are averaged."""

    model: AveragedModels

    @property
    def config(self) -> EncoderConfig:
        return self.model.config

    def shape_for(self, objective: Objective) -> EncoderConfig:
        return self.model.models[self.model.teacher_of.get(objective.name, 0)].config

    def requests(self, asked: dict[str, Request]) -> tuple[Request, ...]:
        """What each is asked for, from what each objective needs."""
        numbers = {name: self.model.teacher_of.get(name, 0) for name in asked}
        return tuple(
            reduce(or_, (asked[name] for name in asked if numbers[name] == number), Request())
            for number in range(len(self.model.models))
        )

    def __call__(
        self, params: Any, batch: Batch, request: Request | tuple[Request, ...]
    ) -> SeveralOutputs:
        """The outputs of all."""
        return self.model(params, batch, request, None)


HIDDEN, IDS, SHARES, SUM, REST = (
    f"target_{name}" for name in ("hidden", "ids", "log_shares", "log_sum", "log_rest")
)
"""Arrays of a batch; of hidden states HIDDEN_n, by layer."""
PROJECTED = ("queries", "keys", "values")
"""What is stored of a layer's attention: target_queries_n and so on."""


@dataclass(frozen=True)
class StoredTargets:
    """Targets that come with the batch, as `distil_jax.cache` stored them.

    Attributes:
      config: of the teacher, with the student's vocabulary.
      student: what is compared with it.
      layers: whose hidden states there are, 0 being the embeddings.
      projected: layers whose queries, keys and values there are.
      top_k: tokens of a distribution; 0: there are none.
      masked: whether distributions are at the masked positions alone.
      whole: whether the teacher has all of the student's tokens; else `known` is among the arrays.
    """

    config: EncoderConfig
    student: EncoderConfig
    layers: tuple[int, ...]
    top_k: int
    masked: bool
    whole: bool
    projected: tuple[int, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The arrays that come with a batch."""
        of_tokens = (IDS, SHARES, SUM, REST) if self.top_k else ()
        states = (f"{HIDDEN}_{layer}" for layer in self.layers)
        maps = (projected_column(name, n) for n in self.projected for name in PROJECTED)
        return (*of_tokens, *states, *maps)

    def shape_for(self, objective: Objective) -> EncoderConfig | None:
        if objective.vocabulary is not None:
            return self.config if self.top_k else None
        return None if any(self.lacking(objective).values()) else self.config

    def lacking(self, objective: Objective) -> dict[str, tuple[int, ...]]:
        """Layers that an objective compares and that are not here, by the fields of `Request`."""
        needed = stored_request(objective, self.student, self.config)
        there = Request(
            hidden_states=frozenset(self.layers), queries_keys_values=frozenset(self.projected)
        )
        return {
            each.name: tuple(sorted(getattr(needed, each.name) - getattr(there, each.name)))
            for each in fields(Request)
        }

    def __call__(self, params: Any, batch: Batch, request: Request) -> Outputs:
        """What the batch holds."""
        hidden = {n: batch[f"{HIDDEN}_{n}"].astype(jnp.float32) for n in self.layers}
        nothing = jnp.zeros((*batch["tokens"].shape, self.config.hidden_size), jnp.float32)
        last = hidden.get(self.config.layers, nothing)
        stored = None
        if self.top_k:
            tokens = StoredTokens(
                batch[IDS].astype(jnp.int32),
                batch[SHARES].astype(jnp.float32),
                batch[SUM],
                batch[REST],
                jnp.zeros(self.config.vocabulary),
                None if self.whole else params["known"],
            )
            stored = StoredDistributions(tokens, self.masked)
        states = {n: hidden[n] for n in request.hidden_states}
        maps = {
            name: {n: self._by_head(batch, name, n) for n in request.queries_keys_values}
            for name in PROJECTED
        }
        return Outputs(Intermediates(last, hidden_states=states, **maps), stored=stored)

    def _by_head(self, batch: Batch, name: str, layer: int) -> Array:
        """A layer's queries, keys or values [rows, length, heads, head size]."""
        flat = batch[projected_column(name, layer)].astype(jnp.float32)
        return flat.reshape(*flat.shape[:2], self.config.heads, -1)


def projected_column(name: str, layer: int) -> str:
    """The array of a layer's queries, keys or values."""
    return f"target_{name}_{layer}"


def stored_request(objective: Objective, student: EncoderConfig, teacher: EncoderConfig) -> Request:
    """What a teacher's store must hold for an objective that compares no logits."""
    last = {teacher.layers} if objective.reads_last else set()
    return objective.requests(student, teacher)[1] | hidden_states(last)


VECTORS, PAIR_SCORES = "target_vectors", "target_scores"
"""In a batch, a vector for each segment of each row [rows, segments, width], and a score for each
two of them [rows, segments / 2]."""


@dataclass(frozen=True)
class StoredVectors:
    """Vectors of sentences, or scores of pairs, that come with the batch: taken by text.

    Attributes:
      config: the student's: what else the teacher is made of is compared with nothing.
    """

    config: EncoderConfig

    def __call__(self, params: Any, batch: Batch, request: Request) -> Outputs:
        """What the batch holds."""
        nothing = jnp.zeros((*batch["tokens"].shape, 0), jnp.float32)
        return Outputs(
            Intermediates(nothing),
            vectors=batch.get(VECTORS),
            pair_scores=batch.get(PAIR_SCORES),
        )


def shape_for(source: TargetSource, objective: Objective) -> EncoderConfig | None:
    """The shape of what an objective compares with; None where this source lacks it."""
    if isinstance(source, SelectiveSource):
        return source.shape_for(objective)
    return source.config


def shapes_of(
    source: TargetSource, objectives: Sequence[Objective]
) -> dict[str, EncoderConfig | None]:
    """The shape that each objective compares with, by its name."""
    return {one.name: shape_for(source, one) for one in objectives}


def requests_to(
    source: TargetSource, objectives: Sequence[Objective], student: EncoderConfig
) -> Requests:
    """What objectives need of a student and of this source."""
    shapes = shapes_of(source, objectives)
    requests = requests_of(objectives, student, source.config, shapes)
    if requests.teacher is None or not isinstance(source, LiveTeachers):
        return requests
    asked = {one.name: one.requests(student, shapes[one.name])[1] for one in objectives}
    return Requests(requests.student, source.requests(asked))
