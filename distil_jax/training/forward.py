"""A model as the step calls it: parameters and a batch in, what objectives may ask for out."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Array, Key

from distil_jax.models import Encoder, EncoderConfig, MaskedLM, output_table
from distil_jax.models.intermediates import Request
from distil_jax.models.sentence_vectors import sentence_vectors
from distil_jax.models.types import Batch, Params
from distil_jax.models.vector_config import VectorConfig
from distil_jax.objectives import MaskedLMOutput, Outputs


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
        self, params: Params, batch: Batch, request: Request, rng: Key[Array, ""] | None, /
    ) -> Outputs:
        """The outputs; with a key in training mode."""


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

    def __call__(
        self, params: Params, batch: Batch, request: Request, rng: Key[Array, ""] | None
    ) -> Outputs:
        """Hidden states, and the head over the vocabulary if the parameters have one."""
        variables, train = {"params": params}, rng is not None
        rngs = None if rng is None else {"dropout": rng}
        found = self.module.apply(
            variables, batch, train=train, request=request, rngs=rngs, method="run"
        )
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

    def __call__(
        self, params: Params, batch: Batch, request: Request, rng: Key[Array, ""] | None
    ) -> Outputs:
        """Hidden states, and the vectors [rows, count, width]."""
        rngs = None if rng is None else {"dropout": rng}
        found = self.module.apply(
            {"params": params["encoder"]},
            batch,
            train=rng is not None,
            request=request,
            rngs=rngs,
            method="run",
        )
        vectors = sentence_vectors(
            self.vectors, params, found.last, batch["segments"], count=self.count
        )
        return Outputs(found, vectors=vectors)
