"""Sentences as tokens: where each word's first sub-word stands, whatever the tokenizer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int

from distil_jax.data.sequences import bare_backend
from distil_jax.errors import UserError
from distil_jax.tasks.encoding import Encoded
from distil_jax.tasks.tagged import Sentence

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SENTENCES_AT_ONCE = 1024
NOWHERE = -1
SHARED_TOKENS = 64
"""That neighbouring windows of a long text share, if they have four times as many."""


@dataclass(frozen=True)
class WordTokens:
    """Sentences cut into windows of tokens.

    Attributes:
      encoded: a sequence for each window.
      places: for each sentence int32 [words, 2], the window and the token of each word's first
        sub-word, in the window that shows most around it; -1 where a word has none.
      strided: how many sentences have more than one window.
    """

    encoded: Encoded
    places: tuple[Int[np.ndarray, "_ 2"], ...]
    strided: int

    @property
    def lost(self) -> int:
        """Words without a token, as a tokenizer drops some."""
        return sum(int((places[:, 0] == NOWHERE).sum()) for places in self.places)

    def of_words(self, outputs: Sequence[np.ndarray], sentence: int) -> np.ndarray:
        """Outputs [words, ...] of one sentence, NaN for a word without a token."""
        windows, tokens = self.places[sentence].T
        width = outputs[0].shape[1:]
        rows = [
            outputs[window][token] if window != NOWHERE else np.full(width, np.nan, np.float32)
            for window, token in zip(windows, tokens, strict=True)
        ]
        return np.stack(rows) if rows else np.empty((0, *width), np.float32)


def encode(
    sentences: Sequence[Sentence], tokenizer: "PreTrainedTokenizerFast", length: int
) -> WordTokens:
    """Tokens of the sentences' texts, in windows of at most `length`."""
    backend = bare_backend(tokenizer)
    available = length - backend.num_special_tokens_to_add(is_pair=False)
    if available < 1:
        raise UserError(f"--length={length} leaves no token for a word; give more")
    backend.enable_truncation(length, stride=min(SHARED_TOKENS, available // 4))
    tokens: list[np.ndarray] = []
    types: list[np.ndarray] = []
    places, strided = [], 0
    for start in range(0, len(sentences), SENTENCES_AT_ONCE):
        part = sentences[start : start + SENTENCES_AT_ONCE]
        texts = [sentence.text for sentence in part]
        for sentence, encoding in zip(part, backend.encode_batch(texts), strict=True):
            windows = [encoding, *encoding.overflowing]
            strided += len(windows) > 1
            places.append(_places(sentence, windows, len(tokens)))
            tokens += [np.asarray(window.ids, np.int32) for window in windows]
            types += [np.asarray(window.type_ids, np.int32) for window in windows]
    return WordTokens(Encoded(tuple(tokens), tuple(types), 0), tuple(places), strided)


def _places(
    sentence: Sentence, windows: Sequence[Any], first_window: int
) -> Int[np.ndarray, "words 2"]:
    places = np.full((len(sentence.words), 2), NOWHERE, np.int32)
    margins = np.full(len(sentence.words), -1)
    for number, window in enumerate(windows, first_window):
        words, tokens = _first_tokens(sentence, window)
        margin = np.minimum(tokens, len(window.ids) - 1 - tokens)
        better = margin > margins[words]
        chosen = words[better]
        places[chosen, 0], places[chosen, 1] = number, tokens[better]
        margins[chosen] = margin[better]
    return places


def _first_tokens(sentence: Sentence, window: Any) -> tuple[np.ndarray, np.ndarray]:
    """Words with a token in this window, and the first token of each.

    A token belongs to the word that its first character is of, white space left out.
    """
    if not len(sentence.words):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    text, begins, numbers = sentence.text, [], []
    for number, (offsets, part) in enumerate(zip(window.offsets, window.sequence_ids, strict=True)):
        first, last = offsets
        while first < last and text[first].isspace():
            first += 1
        if part is not None and first < last:
            begins.append(first)
            numbers.append(number)
    starts = np.asarray(begins, np.int64)
    word = np.searchsorted(sentence.words[:, 0], starts, side="right") - 1
    inside = (word >= 0) & (starts < sentence.words[np.maximum(word, 0), 1])
    words, first_token = np.unique(word[inside], return_index=True)
    return words, np.asarray(numbers, np.int64)[inside][first_token]
