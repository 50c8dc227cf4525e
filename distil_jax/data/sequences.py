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
    for lines in _tokenised(documents, backend):
        for content in _cut(lines, rule.length - 2):
            if len(content) + 2 < rule.shortest_tokens:
                dropped.short += 1
            elif content.count(special.unk) >= rule.unknown_share * (len(content) + 2):
                dropped.unknown += 1
            else:
                yield np.array([special.cls, *content, special.sep], np.int32)


def _cut(lines: Iterable[list[int]], room: int) -> Iterator[list[int]]:
    running = list(chain.from_iterable(lines))
    for start in range(0, len(running), room):
        yield running[start : start + room]


def _tokenised(documents: Iterable[str], backend: Tokenizer) -> Iterator[list[list[int]]]:
    """The token ids of each document's lines; the library's threads work while we join."""
    with ThreadPoolExecutor(1) as ahead:
        running: deque = deque()
        for lines, counts in _batches(documents):
            work = ahead.submit(backend.encode_batch_fast, lines, add_special_tokens=False)
            running.append((work, counts))
            if len(running) > BATCHES_AHEAD:
                yield from _documents(*running.popleft())
        while running:
            yield from _documents(*running.popleft())


def _documents(work: Future, counts: list[int]) -> Iterator[list[list[int]]]:
    encodings = iter(work.result())
    for count in counts:
        yield [next(encodings).ids for _ in range(count)]


def _batches(documents: Iterable[str]) -> Iterator[tuple[list[str], list[int]]]:
    """Lines of about a megabyte of text, and how many of them each document has."""
    lines: list[str] = []
    counts: list[int] = []
    characters = 0
    for document in documents:
        own = [line for line in document.split("\n") if line and not line.isspace()]
        lines += own
        counts.append(len(own))
        characters += len(document)
        if characters >= BATCH_CHARACTERS:
            yield lines, counts
            lines, counts, characters = [], [], 0
    if counts:
        yield lines, counts
