"""Model folders in Hugging Face's format, in and out: safetensors only, no torch."""

from distil_jax.pretrained.card import CardHeader, model_card, model_noun, scores_of, with_scores
from distil_jax.pretrained.location import locate
from distil_jax.pretrained.model import Head, Pretrained
from distil_jax.pretrained.pooler import load_pooler
from distil_jax.pretrained.reading import load, load_language_model, load_weights
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
