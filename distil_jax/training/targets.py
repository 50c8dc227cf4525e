"""Where a student's targets come from: a live teacher, or nowhere.

A source is asked within the compiled step. Its arrays are replicated (a teacher's parameters) or
come with the batch, as those of a cache on disk would.
"""

from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

from distil_jax.models import EncoderConfig
from distil_jax.models.intermediates import Request
from distil_jax.models.types import Batch
from distil_jax.objectives import Outputs
from distil_jax.training.forward import Model


@runtime_checkable
class TargetSource(Protocol):
    """What stands on the teacher's side of every objective."""

    @property
    def config(self) -> EncoderConfig | None:
        """The shape of what the targets are of; None where there are none."""

    def __call__(self, params: Any, batch: Batch, request: Request) -> Outputs | None:
        """The targets of a masked micro-batch, which no gradient flows into.

        `params` are the arrays of this source, the same on all devices.
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
        return replace(outputs, masked_lm=replace(outputs.masked_lm, rest=self.rest))
