"""Static models: their vectors, and how one is made of a teacher (model2vec's idea).

A token's vector is the teacher's for a text of that token alone; PCA takes away what all share, and
a token's weight falls with its frequency (SIF, Arora et al. 2017).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from tokenizers import Tokenizer

from distil_jax.embedding.embedder import (
    EncoderEmbedder,
    Progress,
    Vectors,
    nothing,
    prompt_text,
)
from distil_jax.embedding.truncation import unit
from distil_jax.errors import UserError
from distil_jax.pretrained.static_model import StaticModel

TEXTS_AT_ONCE = 1 << 14
SIF = 1e-4


@dataclass(frozen=True)
class StaticEmbedder:
    """Means of token vectors."""

    model: StaticModel
    name: str = ""

    @property
    def width(self) -> int:
        """Of the vectors."""
        return self.model.table.shape[1]

    @property
    def parameters(self) -> int:
        """How many numbers the model has."""
        return self.model.table.size

    @property
    def prompts(self) -> Mapping[str, str]:
        """Texts that may stand before every other text, by name."""
        return self.model.prompts

    def __call__(
        self, texts: Sequence[str], *, prompt: str | None = None, progress: Progress = nothing
    ) -> Vectors:
        """float32 [texts, width]; zeros for a text without tokens."""
        asked = self.model.default_prompt if prompt is None else prompt
        before = prompt_text(self.prompts, asked, self.name)
        vectors = np.zeros((len(texts), self.width), np.float32)
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            part = [before + text for text in texts[start : start + TEXTS_AT_ONCE]]
            vectors[start : start + len(part)] = self._means(part)
            progress(len(part))
        return unit(vectors) if self.model.normalize else vectors

    def _means(self, texts: list[str]) -> Vectors:
        encodings = self.model.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        tokens = [encoding.ids for encoding in encodings]
        lengths = np.asarray([len(each) for each in tokens])
        means = np.zeros((len(texts), self.width), np.float32)
        used = lengths > 0
        if used.any():
            every = np.concatenate([np.asarray(each, np.int64) for each in tokens if each])
            starts = np.concatenate([[0], np.cumsum(lengths[used])[:-1]])
            sums = np.add.reduceat(self.model.table[every], starts, axis=0)
            means[used] = sums / lengths[used, None]
        return means


def make_static(
    teacher: EncoderEmbedder,
    *,
    dimensions: int,
    sif: float = SIF,
    texts: Iterable[str] = (),
    progress: Progress = nothing,
) -> StaticModel:
    """The static model of a teacher.

    Args:
      dimensions: of the vectors; 0: as many as the teacher's.
      sif: a token of probability p weighs sif / (sif + p); 0: all weigh the same.
      texts: to count tokens in; without any, a token's probability follows from its number
        (Zipf's law), as vocabularies are mostly in order of frequency.
    """
    if dimensions > teacher.width:
        raise UserError(
            f"--dimensions={dimensions} is more than the teacher's {teacher.width}; give at most "
            f"--dimensions={teacher.width}"
        )
    tokens = teacher.backend()
    size = tokens.get_vocab_size()
    table = teacher.of_tokens(range(size), progress)
    table = principal(table, dimensions or teacher.width)
    if sif:
        counts = _counts(tokens, texts, size)
        probability = _zipf(size) if counts is None else counts / counts.sum()
        table = table * (sif / (sif + probability))[:, None].astype(np.float32)
    return StaticModel(np.ascontiguousarray(table, np.float32), tokens)


def principal(
    table: Float[np.ndarray, "rows width"], dimensions: int
) -> Float[np.ndarray, "rows dimensions"]:
    """The rows less their mean, along their `dimensions` directions of largest variance."""
    centred = table.astype(np.float64) - table.mean(axis=0, dtype=np.float64)
    _, directions = np.linalg.eigh(centred.T @ centred)
    return (centred @ directions[:, ::-1][:, :dimensions]).astype(np.float32)


def _zipf(size: int) -> Float[np.ndarray, " size"]:
    inverse = 1 / np.arange(2, size + 2)
    return inverse / inverse.sum()


def _counts(tokens: Tokenizer, texts: Iterable[str], size: int) -> Int[np.ndarray, " size"] | None:
    """How often each token occurs, plus one; None without texts."""
    counts = np.ones(size, np.int64)
    part: list[str] = []
    seen = False

    def count() -> None:
        for encoding in tokens.encode_batch_fast(part, add_special_tokens=False):
            np.add.at(counts, np.asarray(encoding.ids, np.int64), 1)
        part.clear()

    for text in texts:
        seen = True
        part.append(text)
        if len(part) == TEXTS_AT_ONCE:
            count()
    count()
    return counts if seen else None
