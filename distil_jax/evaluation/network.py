"""An encoder with a head, run on rows that hold several sequences."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, DTypeLike, Key

from distil_jax.evaluation.objectives import mask_window
from distil_jax.models import (
    Encoder,
    EncoderConfig,
    QuestionAnswering,
    SequenceClassification,
    initialize_module,
)
from distil_jax.models.heads import ClassificationHead, SpanHead
from distil_jax.models.types import Params, Rematerialise


@dataclass(frozen=True)
class Network:
    """How a model's outputs are computed.

    Attributes:
      labels: outputs of a classification (1: a regression); 0: the start and end of a span.
      window: for spans, the most tokens of a sequence.
    """

    config: EncoderConfig
    labels: int
    window: int
    dtype: DTypeLike = jnp.float32
    scan: bool = False
    rematerialise: Rematerialise = "none"

    @property
    def head(self) -> nn.Module:
        """The head's module."""
        if self.labels:
            return ClassificationHead(self.config, self.labels, self.dtype)
        return SpanHead(self.config, self.dtype)

    def outputs(
        self, params: Params, piece: Mapping[str, Array], rng: Key[Array, ""] | None = None
    ) -> Array:
        """Float32 [slots, labels], or [slots, window, 2] with small numbers behind each end.

        With a key the model is in training mode. A sequence's classes are judged by its first
        token, as when it is run alone.
        """
        kept = dict(piece)
        if self.config.token_types < 2:
            kept.pop("token_types", None)
        encoder = Encoder(self.config, self.scan, self.dtype, self.rematerialise)
        rngs: list = [None, None] if rng is None else list(jax.random.split(rng))
        hidden = encoder.apply(
            {"params": params["encoder"]}, kept, train=rng is not None, rngs=_named(rngs[0])
        )
        if not self.labels:
            every = self.head.apply(
                {"params": params["head"]}, hidden, train=rng is not None, rngs=_named(rngs[1])
            )
            return self._windows(every.reshape(-1, 2), piece)
        first = hidden.reshape(-1, hidden.shape[-1])[piece["starts"]][:, None]
        return self.head.apply(
            {"params": params["head"]}, first, train=rng is not None, rngs=_named(rngs[1])
        )

    def _windows(self, logits: Array, piece: Mapping[str, Array]) -> Array:
        places = piece["starts"][:, None] + jnp.arange(self.window)[None]
        own = jnp.take(logits, places, axis=0, mode="clip")
        columns = [mask_window(own[:, :, column], piece["lengths"]) for column in (0, 1)]
        return jnp.stack(columns, axis=-1)


def fresh_head(config: EncoderConfig, labels: int, key: Key[Array, ""]) -> Params:
    """A random head, as Hugging Face draws it; see `Network.labels`."""
    small = replace(config, vocabulary=1, layers=1)
    module = SequenceClassification(small, labels) if labels else QuestionAnswering(small)
    return initialize_module(module, key)["head"]


def _named(rng: Key[Array, ""] | None) -> dict[str, Array]:
    return {} if rng is None else {"dropout": rng}
