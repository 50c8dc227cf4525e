"""A model as the step calls it: parameters and a batch in, what objectives may ask for out."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import jax.numpy as jnp
from jaxtyping import Array

from distil_jax.kernels.place import Place
from distil_jax.losses.vocabulary_teacher import UNKNOWN
from distil_jax.models import Encoder, EncoderConfig, MaskedLM, output_table
from distil_jax.models.dropout import Rng
from distil_jax.models.intermediates import Request
from distil_jax.models.sentence_vectors import sentence_vectors
from distil_jax.models.types import Batch, Params
from distil_jax.models.vector_config import VectorConfig
from distil_jax.objectives import MaskedLMOutput, Outputs, SeveralOutputs


@runtime_checkable
class Model(Protocol):
    """What the step asks of a student, and `LiveTeacher` of a teacher."""

    @property
    def config(self) -> EncoderConfig:
        """The encoder's shape."""

    @property
    def scan(self) -> bool:
        """Whether the layers are one compiled loop, over stacked parameters."""

    def __call__(
        self, params: Params, batch: Batch, request: Request, rng: Rng | None, /
    ) -> Outputs:
        """The outputs; in training mode with a place or a key of dropout."""


def _training(rng: Rng | None) -> dict[str, Any]:
    """How Flax is asked for the mode that `rng` means."""
    if isinstance(rng, Place):
        return {"train": True, "place": rng}
    return {"train": rng is not None, "rngs": None if rng is None else {"dropout": rng}}


@dataclass(frozen=True)
class LanguageModel:
    """An encoder with a masked-LM head, which is applied where an objective needs it."""

    module: MaskedLM

    @property
    def config(self) -> EncoderConfig:
        return self.module.config

    @property
    def scan(self) -> bool:
        return self.module.scan

    def __call__(self, params: Params, batch: Batch, request: Request, rng: Rng | None) -> Outputs:
        """Hidden states, and the head over the vocabulary if the parameters have one."""
        variables = {"params": params}
        found = self.module.apply(variables, batch, request=request, method="run", **_training(rng))
        if "head" not in params and not self.config.block.causal:
            return Outputs(found)
        table, bias = output_table(params)
        return Outputs(
            found,
            MaskedLMOutput(
                lambda hidden: self.module.apply(variables, hidden, method="transform"),
                table,
                bias,
            ),
        )


@dataclass(frozen=True)
class SentenceEncoder:
    """An encoder whose output is a vector for each segment of a row.

    Attributes:
      count: the most segments of a row.
    """

    module: Encoder
    vectors: VectorConfig
    count: int

    @property
    def config(self) -> EncoderConfig:
        return self.module.config

    @property
    def scan(self) -> bool:
        return self.module.scan

    def __call__(self, params: Params, batch: Batch, request: Request, rng: Rng | None) -> Outputs:
        """Hidden states, and the vectors [rows, count, width]."""
        found = self.module.apply(
            {"params": params["encoder"]}, batch, request=request, method="run", **_training(rng)
        )
        vectors = sentence_vectors(
            self.vectors, params, found.last, batch["segments"], count=self.count
        )
        return Outputs(found, vectors=vectors)


@dataclass(frozen=True)
class OtherVocabulary:
    """A teacher that reads and predicts the student's tokens, of which each is one of its own.

    Its parameters are those of `translated`.

    Attributes:
      vocabulary: how many tokens the student has.
      whole: whether the teacher has all of them.
    """

    model: LanguageModel
    vocabulary: int
    whole: bool

    @property
    def config(self) -> EncoderConfig:
        return dataclasses.replace(self.model.config, vocabulary=self.vocabulary)

    @property
    def scan(self) -> bool:
        return self.model.scan

    def __call__(self, params: Params, batch: Batch, request: Request, rng: Rng | None) -> Outputs:
        """As the teacher's own, over the student's tokens."""
        ids = params["ids"]
        tokens = jnp.maximum(ids, 0)[batch["tokens"]]
        outputs = self.model(params["model"], {**batch, "tokens": tokens}, request, rng)
        assert outputs.masked_lm is not None
        head = dataclasses.replace(
            outputs.masked_lm,
            table=params["table"],
            bias=params["bias"],
            known=None if self.whole else ids >= 0,
        )
        return dataclasses.replace(outputs, masked_lm=head)


def translated(params: Params, ids: Array) -> dict[str, Any]:
    """A teacher's parameters for `OtherVocabulary`.

    `ids` [vocabulary] are its tokens by the student's; -1 where it has none: such a token's logit
    is `UNKNOWN`.
    """
    table, bias = output_table(params)
    known = ids >= 0
    return {
        "model": params,
        "ids": ids,
        "table": jnp.where(known[:, None], table[ids], 0).astype(table.dtype),
        "bias": jnp.where(known, bias[ids].astype(jnp.float32), UNKNOWN),
    }


@dataclass(frozen=True)
class AveragedModels:
    """Several teachers as one, each with its own parameters; weights add to 1."""

    models: tuple[Model, ...]
    weights: tuple[float, ...]
    teacher_of: Mapping[str, int]

    @property
    def config(self) -> EncoderConfig:
        return self.models[0].config

    @property
    def scan(self) -> bool:
        return self.models[0].scan

    def __call__(
        self,
        params: tuple[Params, ...],
        batch: Batch,
        request: Request | tuple[Request, ...],
        rng: Rng | None,
    ) -> SeveralOutputs:
        """The outputs of each; a request is of each its own, or the same of all."""
        requests = request if isinstance(request, tuple) else (request,) * len(self.models)
        members = tuple(
            model(own, batch, asked, rng)
            for model, own, asked in zip(self.models, params, requests, strict=True)
        )
        shapes = tuple(model.config for model in self.models)
        return SeveralOutputs(members, self.weights, self.teacher_of, shapes)
