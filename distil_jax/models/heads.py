"""Heads for fine-tuning: classes of a sequence, and the start and end of an answer."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, DTypeLike, Float

from distil_jax.models.activation import activation
from distil_jax.models.config import EncoderConfig
from distil_jax.models.dense import Dense
from distil_jax.models.dropout import dropout
from distil_jax.models.encoder import Encoder
from distil_jax.models.types import Batch, Hidden, Rematerialise


class ClassificationHead(nn.Module):
    """Two dense maps with an activation between them, as `config.head` specifies."""

    config: EncoderConfig
    labels: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, hidden: Hidden, train: bool = False) -> Float[Array, "batch labels"]:
        """Logits from the hidden state of each row's first token, float32."""
        config = self.config
        head = config.head
        rate = config.dropout if head.classifier_dropout is None else head.classifier_dropout
        first_rng, last_rng = jax.random.split(self.make_rng("dropout")) if train else (None, None)
        first = hidden[:, 0]
        if head.classifier_input_dropout:
            first = dropout(first, first_rng, rate=rate)
        dense = Dense(config.hidden_size, config.initializer_range, self.dtype, name="dense")
        pooled = activation(head.classifier_activation)(dense(first))
        pooled = dropout(pooled, last_rng, rate=rate)
        classifier = Dense(self.labels, config.initializer_range, self.dtype, name="classifier")
        return classifier(pooled).astype(jnp.float32)


class QuestionAnsweringHead(nn.Module):
    """One dense map to a start and an end logit."""

    config: EncoderConfig
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, hidden: Hidden, train: bool = False) -> Float[Array, "batch length 2"]:
        """Start and end logits of every token, float32."""
        config = self.config
        if train and config.head.question_answering_dropout:
            hidden = dropout(hidden, self.make_rng("dropout"), rate=config.dropout)
        outputs = Dense(2, config.initializer_range, self.dtype, name="outputs")
        return outputs(hidden).astype(jnp.float32)


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
        return self.head(self.encoder(batch, train), train)


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
        return self.head(self.encoder(batch, train), train)
