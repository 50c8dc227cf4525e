"""Encoders and heads of the BERT family as pure Flax Linen modules, and students from teachers.

    logits = MaskedLM(config).apply({"params": params}, batch)
    hidden = Encoder(config).apply({"params": params["encoder"]}, batch)

A batch is a mapping of arrays [rows, length]: `tokens`; `segments`, which number the sequences of
a row from 1 and are 0 for padding (with one sequence a row, the attention mask); and `token_types`
and `positions` where they are not to follow from these. A number beyond a table takes its last row:
no sequence should be longer than `config.positions`.

Each name is loaded when it is first asked for: a folder's configuration is read without JAX.
"""

from typing import TYPE_CHECKING

from distil_jax import lazy
from distil_jax.models.config import EncoderConfig

if TYPE_CHECKING:
    from distil_jax.models.encoder import Encoder
    from distil_jax.models.heads import (
        QuestionAnswering,
        SequenceClassification,
        TokenClassification,
    )
    from distil_jax.models.initialization import initialize, initialize_module
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
MODULES = {
    "encoder": ("Encoder",),
    "heads": ("QuestionAnswering", "SequenceClassification", "TokenClassification"),
    "initialization": ("initialize", "initialize_module"),
    "intermediates": ("Intermediates", "Request"),
    "layer_choice": ("choose_layers",),
    "masked_lm": ("MaskedLM", "output_table"),
    "student": ("student_from_teacher", "student_shape"),
}
"""Where each name is defined."""

__getattr__ = lazy.attributes(__name__, MODULES)
