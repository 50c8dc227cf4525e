"""Heads for fine-tuning.

A new head is a module here, a line of `head_kinds.HEADS`, and a kind of task that has it.
"""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, DTypeLike, Float, Key

from distil_jax.models.activation import activation
from distil_jax.models.config import EncoderConfig
from distil_jax.models.dense import Dense
from distil_jax.models.dropout import Rng, dropout, sites
from distil_jax.models.encoder import Encoder
from distil_jax.models.pooling import pool_rows
from distil_jax.models.transform import transform
from distil_jax.models.types import Batch, Hidden, Rematerialise


class ClassificationHead(nn.Module):
    """A map to the labels behind another one or none, as `config.head` specifies."""

    config: EncoderConfig
    labels: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, hidden: Hidden, rng: Rng | None = None) -> Float[Array, "batch labels"]:
        """Logits from the first hidden state of each row, what was pooled; float32.

        With `rng`, as in all heads, in training mode.
        """
        config = self.config
        head = config.head
        rate = _classifier_rate(config)
        first_rng, last_rng = sites(rng, 2)
        first = hidden[:, 0]
        if head.classifier_input_dropout:
            first = dropout(first, first_rng, rate=rate)
        spread = config.initializer_range
        if head.transform_everywhere:
            first = transform(config, first, config.hidden_size, self.dtype)
        elif head.classifier_dense:
            dense = Dense(config.hidden_size, spread, self.dtype, name="dense")
            first = activation(head.classifier_activation)(dense(first))
        pooled = dropout(first, last_rng, rate=rate)
        bias = head.classifier_bias
        classifier = Dense(self.labels, spread, self.dtype, bias, name="classifier")
        return classifier(pooled).astype(jnp.float32)


class QuestionAnsweringHead(nn.Module):
    """A map to a start and an end logit; behind a transform where `config.head` has it."""

    config: EncoderConfig
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, hidden: Hidden, rng: Rng | None = None) -> Float[Array, "batch length 2"]:
        """Start and end logits of every token, float32."""
        config = self.config
        if config.head.question_answering_dropout:
            hidden = dropout(hidden, rng, rate=config.dropout)
        if config.head.transform_everywhere:
            hidden = transform(config, hidden, config.hidden_size, self.dtype)
            hidden = dropout(hidden, rng, rate=_classifier_rate(config))
        outputs = Dense(2, config.initializer_range, self.dtype, name="outputs")
        return outputs(hidden).astype(jnp.float32)


class TokenClassificationHead(nn.Module):
    """A map from each token's hidden state to its classes, behind a transform as for answers."""

    config: EncoderConfig
    labels: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, hidden: Hidden, rng: Rng | None = None
    ) -> Float[Array, "batch length labels"]:
        """Logits of every token, float32."""
        config = self.config
        if config.head.transform_everywhere:
            hidden = transform(config, hidden, config.hidden_size, self.dtype)
        own = config.head.token_classifier_dropout
        hidden = dropout(hidden, rng, rate=_classifier_rate(config) if own else config.dropout)
        classifier = Dense(self.labels, config.initializer_range, self.dtype, name="classifier")
        return classifier(hidden).astype(jnp.float32)


class SequenceClassification(nn.Module):
    """An encoder with a classification head (regression with one label); one sequence per row.

    Other attributes as in `Encoder`.
    """

    config: EncoderConfig
    labels: int
    scan: bool = False
    dtype: DTypeLike = jnp.float32
    rematerialise: Rematerialise = "none"

    def setup(self) -> None:
        """Declare the encoder and the head."""
        self.encoder = Encoder(self.config, self.scan, self.dtype, self.rematerialise)
        self.head = ClassificationHead(self.config, self.labels, self.dtype)

    def __call__(self, batch: Batch, train: bool = False) -> Float[Array, "batch labels"]:
        """Logits of the labels, float32."""
        hidden, how = self.encoder(batch, train), self.config.head.pooling
        return self.head(pool_rows(hidden, batch["segments"], how)[:, None], _key(self, train))


class QuestionAnswering(nn.Module):
    """An encoder with a question-answering head; attributes as in `Encoder`."""

    config: EncoderConfig
    scan: bool = False
    dtype: DTypeLike = jnp.float32
    rematerialise: Rematerialise = "none"

    def setup(self) -> None:
        """Declare the encoder and the head."""
        self.encoder = Encoder(self.config, self.scan, self.dtype, self.rematerialise)
        self.head = QuestionAnsweringHead(self.config, self.dtype)

    def __call__(self, batch: Batch, train: bool = False) -> Float[Array, "batch length 2"]:
        """Start and end logits, float32."""
        return self.head(self.encoder(batch, train), _key(self, train))


class TokenClassification(nn.Module):
    """An encoder with a token-classification head; other attributes as in `Encoder`."""

    config: EncoderConfig
    labels: int
    scan: bool = False
    dtype: DTypeLike = jnp.float32
    rematerialise: Rematerialise = "none"

    def setup(self) -> None:
        """Declare the encoder and the head."""
        self.encoder = Encoder(self.config, self.scan, self.dtype, self.rematerialise)
        self.head = TokenClassificationHead(self.config, self.labels, self.dtype)

    def __call__(self, batch: Batch, train: bool = False) -> Float[Array, "batch length labels"]:
        """Logits of every token, float32."""
        return self.head(self.encoder(batch, train), _key(self, train))


def _classifier_rate(config: EncoderConfig) -> float:
    """Of dropout before the map to the labels."""
    own = config.head.classifier_dropout
    return config.dropout if own is None else own


def _key(module: nn.Module, train: bool) -> Key[Array, ""] | None:
    """What the head of a module draws from."""
    return module.make_rng("dropout") if train else None
