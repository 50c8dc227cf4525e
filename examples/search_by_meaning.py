"""Search by meaning: the texts whose vectors, by a student, are nearest to that of a question.

python examples/search_by_meaning.py MODEL TEXTS.txt "a question"

MODEL is a student of `--config=embedding`, or any folder of sentence-transformers.
"""

import sys
from pathlib import Path

import numpy as np

from distil_jax.embedding.opening import open_embedder


def nearest(model: str, texts: list[str], question: str, count: int = 3) -> list[tuple[float, str]]:
    """The texts nearest to a question, with the cosine of their vectors."""
    embed = open_embedder(model)
    vectors = embed([*texts, question])
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = vectors[:-1] @ vectors[-1]
    return [(float(cosines[place]), texts[place]) for place in np.argsort(-cosines)[:count]]


def main(model: str, texts: str, question: str) -> None:
    """Print the nearest lines of a file."""
    lines = [line for line in Path(texts).read_text("utf-8").splitlines() if line.strip()]
    for cosine, line in nearest(model, lines, question):
        print(f"{cosine:.3f}  {line}")


if __name__ == "__main__":
    main(*sys.argv[1:])
