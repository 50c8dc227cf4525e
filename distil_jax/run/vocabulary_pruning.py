"""A model with a part of its vocabulary: which tokens, from a corpus or a file, and the folder."""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np

from distil_jax.data import corpus as text_corpus
from distil_jax.data.text import DecodeStats
from distil_jax.data.token_counts import count_tokens, unchanged_share
from distil_jax.data.validation_split import check_share, in_validation
from distil_jax.errors import UserError
from distil_jax.pretrained import Pretrained, load, model_card, save
from distil_jax.pretrained.card import CardHeader
from distil_jax.pretrained.vocabulary import with_vocabulary
from distil_jax.tokenizer import load as load_tokenizer
from distil_jax.tokenizer.vocabulary_choice import Kept, frequent_tokens, listed_tokens

SUMMARY = (
    "The model that it was made from, with a part of its vocabulary: for text whose tokens are all "
    "kept it computes the same."
)


@dataclass(frozen=True)
class Corpus:
    """Text files and how they are read; `heldout` is the share of documents that is not counted."""

    inputs: str | Sequence[str]
    document: str = "line"
    column: str = "text"
    heldout: float = 0.01

    def lines(self, *, held_out: bool) -> Iterator[str]:
        """The lines of the documents of one side; raises `UserError` for bad inputs."""
        check_share(self.heldout)
        sources = text_corpus.find(self.inputs, document=self.document, column=self.column)
        for document in text_corpus.documents(sources, DecodeStats()):
            if in_validation(document, self.heldout) == held_out:
                yield from document.splitlines()


@dataclass(frozen=True)
class Pruned:
    """What cutting the vocabulary saves, and the share of held-out tokens that stay as they are.

    Attributes:
      before, after: tokens, parameters and megabytes (float32) of the two models.
      unchanged: of `tokens` held-out tokens of the whole vocabulary.
    """

    before: tuple[int, int, float]
    after: tuple[int, int, float]
    unchanged: float
    tokens: int

    def lines(self) -> list[str]:
        """Text for a terminal."""
        rows = zip(("tokens", "parameters", "megabytes"), self.before, self.after, strict=True)
        sizes = [f"{name:<11} {old:>13,.0f} -> {new:>13,.0f}" for name, old, new in rows]
        if not self.tokens:
            return [*sizes, "no document is held out: nothing was compared; raise --heldout"]
        share = f"{100 * self.unchanged:.2f} % of {self.tokens:,} held-out tokens are unchanged"
        return [*sizes, share]


def prune_vocabulary(
    folder: str, corpus: Corpus, output: Path, *, vocabulary: int | Path, command: str
) -> Pruned:
    """Write the folder of the model with a smaller vocabulary, and say what that changes.

    Raises `UserError` for bad inputs, with nothing written.
    """
    model = load(folder)
    smaller = with_vocabulary(model, kept_tokens(model, corpus, vocabulary))
    assert model.tokenizer is not None
    assert smaller.tokenizer is not None
    held_out = corpus.lines(held_out=True)
    pruned = Pruned(
        _sizes(model),
        _sizes(smaller),
        *unchanged_share(model.tokenizer, smaller.tokenizer, held_out),
    )
    save(output, smaller, card=_card(folder, smaller, corpus, pruned, command))
    return pruned


def kept_tokens(model: Pretrained, corpus: Corpus, vocabulary: int | Path) -> Kept:
    """The ids that a vocabulary of so many tokens keeps, or one of the tokens that a file lists.

    Frequencies are those of the training side of the corpus.
    """
    if model.tokenizer is None:
        raise UserError("the model has no tokenizer files; a vocabulary is cut with its tokenizer")
    if isinstance(vocabulary, Path):
        return listed_tokens(model.tokenizer, _listed(vocabulary), str(vocabulary))
    counts = count_tokens(model.tokenizer, corpus.lines(held_out=False))
    return frequent_tokens(model.tokenizer, counts, vocabulary)


def _listed(file: Path) -> list[str]:
    """Its lines, or the tokens of a tokenizer's folder."""
    if file.is_dir():
        numbers = load_tokenizer(file).get_vocab()
        return sorted(numbers, key=numbers.__getitem__)
    try:
        return file.read_text("utf-8").removesuffix("\n").split("\n")
    except (OSError, ValueError) as error:
        raise UserError(
            f"{file} cannot be read as a list of tokens ({error}); give a text file with one a line"
        ) from error


def _sizes(model: Pretrained) -> tuple[int, int, float]:
    parameters = sum(math.prod(np.shape(leaf)) for leaf in jax.tree.leaves(model.params))
    return model.config.vocabulary, parameters, 4 * parameters / 1e6


def _card(folder: str, model: Pretrained, corpus: Corpus, pruned: Pruned, command: str) -> str:
    inputs = [corpus.inputs] if isinstance(corpus.inputs, str) else corpus.inputs
    sizes = {"tokens before": pruned.before[0], "tokens": pruned.after[0]}
    scores = {"held-out tokens unchanged, %": 100 * pruned.unchanged} if pruned.tokens else {}
    header = dataclasses.replace(CardHeader(), head=model.head, base_model=Path(folder).name)
    return model_card(
        header,
        recipe={"vocabulary cut from": folder, **sizes, "parameters": pruned.after[1]},
        data=f"Tokens were counted in {', '.join(inputs)}.",
        scores=scores,
        command=command,
        title="Model with a smaller vocabulary made with distil_jax",
        summary=SUMMARY,
    )
