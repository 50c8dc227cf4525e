"""Encoders and heads of the BERT family as pure Flax Linen modules, and students from teachers."""

from distil_jax.models.config import EncoderConfig
from distil_jax.models.encoder import Encoder
from distil_jax.models.heads import (
    QuestionAnswering,
    SequenceClassification,
    TokenClassification,
)
from distil_jax.models.initialize import initialize, initialize_module
from distil_jax.models.intermediates import Intermediates, Request
from distil_jax.models.layer_choice import choose_layers
from distil_jax.models.masked_lm import MaskedLM, output_table
from distil_jax.models.student import student_from_teacher, student_shape

__all__ = [
    "Encoder",
    "EncoderConfig",
    "Intermediates",
    "MaskedLM",
    "QuestionAnswering",
    "Request",
    "SequenceClassification",
    "TokenClassification",
    "choose_layers",
    "initialize",
    "initialize_module",
    "output_table",
    "student_from_teacher",
    "student_shape",
]
