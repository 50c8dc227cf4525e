"""Model folders in Hugging Face's format, in and out: safetensors only, no torch.

Names that need JAX are loaded when they are first asked for.
"""

from typing import TYPE_CHECKING

from distil_jax import lazy
from distil_jax.pretrained.location import locate
from distil_jax.pretrained.model import Head, Pretrained
from distil_jax.pretrained.reading import load, load_language_model, load_quickly, load_weights

if TYPE_CHECKING:
    from distil_jax.pretrained.card import (
        CardHeader,
        model_card,
        model_noun,
        scores_of,
        with_scores,
    )
    from distil_jax.pretrained.pooler import load_pooler
    from distil_jax.pretrained.sentence import SentenceModel
    from distil_jax.pretrained.sentence_reading import load_sentence_model
    from distil_jax.pretrained.sentence_writing import save_sentence_model
    from distil_jax.pretrained.writing import save

__all__ = [
    "CardHeader",
    "Head",
    "Pretrained",
    "SentenceModel",
    "load",
    "load_language_model",
    "load_pooler",
    "load_quickly",
    "load_sentence_model",
    "load_weights",
    "locate",
    "model_card",
    "model_noun",
    "save",
    "save_sentence_model",
    "scores_of",
    "with_scores",
]
MODULES = {
    "card": ("CardHeader", "model_card", "model_noun", "scores_of", "with_scores"),
    "pooler": ("load_pooler",),
    "sentence": ("SentenceModel",),
    "sentence_reading": ("load_sentence_model",),
    "sentence_writing": ("save_sentence_model",),
    "writing": ("save",),
}
"""Where each of the others is defined."""

__getattr__ = lazy.attributes(__name__, MODULES)
