"""From documents to sequences of token ids: tokenise, join lines, cut, wrap, drop."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Tokenizer

from distil_jax.tokenizer import SpecialIds

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

BATCH_CHARACTERS = 1 << 20
BATCHES_AHEAD = 2
LONGEST_PIECE = 1 << 20  # characters

Array = np.ndarray


@dataclass(frozen=True)
class Rule:
    """How sequences are made. `length` counts [CLS] and [SEP], as do the two limits.

    The original DistilBERT scripts drop sequences of 11 tokens or fewer and those with half or
    more [UNK]; `shortest_tokens` is the length of the shortest that stays.
    """

    length: int
    shortest_tokens: int = 12
    unknown_share: float = 0.5


@dataclass
class Dropped:
    """Sequences left out, by reason."""

    short: int = 0
    unknown: int = 0


def bare_backend(tokenizer: "PreTrainedTokenizerFast") -> Tokenizer:
    """A copy of the Rust tokenizer that neither truncates nor pads."""
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.no_truncation()
    backend.no_padding()
    return backend


def make(
    documents: Iterable[str],
    backend: Tokenizer,
    special: SpecialIds,
    rule: Rule,
    dropped: Dropped,
) -> Iterator[Array]:
    """The sequences of documents, in order: int32 [n] each, n <= rule.length.

    A document's lines are tokenised one by one and then read on as one text, which is cut every
    `length - 2` tokens into pieces wrapped in [CLS] and [SEP]; nothing crosses documents. So a
    `line` document is one sequence unless it is too long, as in the original scripts, and a
    `block` document fills all its sequences but the last.
    """
    for content in _cut(_tokenised(documents, backend), rule.length - 2):
        if len(content) + 2 < rule.shortest_tokens:
            dropped.short += 1
        elif content.count(special.unk) >= rule.unknown_share * (len(content) + 2):
            dropped.unknown += 1
        else:
            yield np.array([special.cls, *content, special.sep], np.int32)


def _cut(pieces: Iterable[tuple[list[int], bool]], room: int) -> Iterator[list[int]]:
    """Every `room` tokens of a document, and what is left at its end."""
    running: list[int] = []
    for tokens, is_last in pieces:
        running += tokens
        end = len(running) if is_last else max(0, len(running) - 1) // room * room
        for start in range(0, end, room):
            yield running[start : start + room]
        del running[:end]


def _tokenised(documents: Iterable[str], backend: Tokenizer) -> Iterator[tuple[list[int], bool]]:
    """The token ids of each piece; the library's threads work while we join."""
    with ThreadPoolExecutor(1) as ahead:
        running: deque = deque()
        for pieces, are_last in _batches(documents):
            work = ahead.submit(backend.encode_batch_fast, pieces, add_special_tokens=False)
            running.append((work, are_last))
            if len(running) > BATCHES_AHEAD:
                yield from _encoded(*running.popleft())
        while running:
            yield from _encoded(*running.popleft())


def _encoded(work: Future, are_last: list[bool]) -> Iterator[tuple[list[int], bool]]:
    for encoding, is_last in zip(work.result(), are_last, strict=True):
        yield encoding.ids, is_last


def _batches(documents: Iterable[str]) -> Iterator[tuple[list[str], list[bool]]]:
    """About a megabyte of text in pieces, and whether each is the last of its document."""
    pieces: list[str] = []
    are_last: list[bool] = []
    characters = 0
    for document in documents:
        for piece, is_last in _pieces(document):
            pieces.append(piece)
            are_last.append(is_last)
            characters += len(piece)
            if characters >= BATCH_CHARACTERS:
                yield pieces, are_last
                pieces, are_last, characters = [], [], 0
    if pieces:
        yield pieces, are_last


def _pieces(document: str) -> Iterator[tuple[str, bool]]:
    """A document's lines, over-long ones in several pieces, and whether each is the last."""
    lines = (line for line in document.split("\n") if line and not line.isspace())
    held: str | None = None
    for piece in chain.from_iterable(map(_short, lines)):
        if held is not None:
            yield held, False
        held = piece
    if held is not None:
        yield held, True


def _short(line: str) -> Iterator[str]:
    """A line cut before white space, so that no piece takes the tokenizer gigabytes."""
    while len(line) > LONGEST_PIECE:
        cut = line.rfind(" ", 1, LONGEST_PIECE)
        cut = LONGEST_PIECE if cut < 0 else cut
        yield line[:cut]
        line = line[cut:]
    yield line
