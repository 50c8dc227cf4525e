"""A run's student as a model folder: of a masked language model, or of sentences' vectors."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from distil_jax.models.vector_config import VectorConfig
from distil_jax.pretrained import Pretrained, SentenceModel, save, save_sentence_model


def save_student(
    folder: str | Path,
    student: Pretrained,
    vectors: VectorConfig | None,
    *,
    card: str,
    dtype: Literal["float32", "float16"] = "float32",
) -> None:
    """Save a student whose vectors are made so, or else its masked-LM head with it."""
    if vectors is None:
        save(folder, replace(student, head=student.config.language_head), card=card, dtype=dtype)
    else:
        save_sentence_model(folder, SentenceModel(student, vectors), card=card, dtype=dtype)
