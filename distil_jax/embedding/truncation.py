"""Vectors cut to their first numbers, as Matryoshka models allow (Kusupati et al. 2022)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from distil_jax.embedding.embedder import Embedder, Progress, Vectors, nothing
from distil_jax.errors import UserError
from distil_jax.models.sentence_vectors import LEAST_NORM


@dataclass(frozen=True)
class Truncated:
    """Another embedder's vectors, their first `width` numbers, of length 1."""

    whole: Embedder
    width: int

    @property
    def parameters(self) -> int:
        """How many numbers the model has."""
        return self.whole.parameters

    @property
    def prompts(self) -> Mapping[str, str]:
        """As the whole vectors' model has them."""
        return self.whole.prompts

    def __call__(
        self, texts: Sequence[str], *, prompt: str | None = None, progress: Progress = nothing
    ) -> Vectors:
        """float32 [texts, width]."""
        return unit(self.whole(texts, prompt=prompt, progress=progress)[:, : self.width])


def truncated(embedder: Embedder, dimensions: int, name: str) -> Embedder:
    """With `dimensions` numbers of each vector; 0: all. Raises `UserError` for more than it has."""
    if dimensions > embedder.width:
        raise UserError(
            f"--dimensions={dimensions} is more than the {embedder.width} of {name}; give at most "
            f"--dimensions={embedder.width}"
        )
    return Truncated(embedder, dimensions) if dimensions else embedder


def unit(vectors: Vectors) -> Vectors:
    """The vectors' directions; of a zero vector zeros."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(lengths, LEAST_NORM)
