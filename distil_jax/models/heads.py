"""Heads for fine-tuning: classes of a sequence, and the span that answers a question."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, DTypeLike, Float

from distil_jax.models.config import ROBERTA_TYPES, EncoderConfig
from distil_jax.models.dense import Dense
from distil_jax.models.dropout import dropout
from distil_jax.models.encoder import Encoder
from distil_jax.models.types import Batch, Hidden, Rematerialise

# The dropout rate of DistilBERT's own classifier; the other types take their encoder's.
DISTILBERT_CLASSIFIER_DROPOUT = 0.2


class ClassificationHead(nn.Module):
    """BERT's pooler and classifier, DistilBERT's pre-classifier, or RoBERTa's two dense maps."""

    config: EncoderConfig
    labels: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, hidden: Hidden, train: bool = False) -> Float[Array, "batch labels"]:
        """Logits from the hidden state of each row's first token, float32."""
        config = self.config
        distilbert = config.model_type == "distilbert"
        rate = DISTILBERT_CLASSIFIER_DROPOUT if distilbert else config.dropout
        first_rng, last_rng = jax.random.split(self.make_rng("dropout")) if train else (None, None)
        first = hidden[:, 0]
        if config.model_type in ROBERTA_TYPES:
            first = dropout(first, first_rng, rate=rate)
        dense = Dense(config.hidden_size, config.initializer_range, self.dtype, name="dense")
        pooled = (jax.nn.relu if distilbert else jnp.tanh)(dense(first))
        pooled = dropout(pooled, last_rng, rate=rate)
        classifier = Dense(self.labels, config.initializer_range, self.dtype, name="classifier")
        return classifier(pooled).astype(jnp.float32)


class SpanHead(nn.Module):
    """One dense map to a start and an end logit."""

    config: EncoderConfig
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, hidden: Hidden, train: bool = False) -> Float[Array, "batch length 2"]:
        """Start and end logits of every token, float32; DistilBERT alone drops its input."""
        config = self.config
        if train and config.model_type == "distilbert":
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
    """An encoder with a span head; attributes as in `Encoder`."""

    config: EncoderConfig
    scan: bool = False
    dtype: DTypeLike = jnp.float32
    rematerialise: Rematerialise = "none"

    def setup(self) -> None:
        """Declare the encoder and the head."""
        self.encoder = Encoder(self.config, self.scan, self.dtype, self.rematerialise)
        self.head = SpanHead(self.config, self.dtype)

    def __call__(self, batch: Batch, train: bool = False) -> Float[Array, "batch length 2"]:
        """Start and end logits, float32."""
        return self.head(self.encoder(batch, train), train)
