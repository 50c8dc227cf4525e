"""From documents to sequences of token ids: tokenise, join lines, cut, wrap, drop."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Encoding, Tokenizer

from distil_jax.data.prefetch import pipelined_map
from distil_jax.data.records import PAIR
from distil_jax.tokenizer import SpecialIds

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

# Small enough that the memory of one batch serves the next: a tenth faster than a megabyte.
BATCH_CHARACTERS = 1 << 17
BATCHES_AHEAD = 4
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
) -> list[Array]:
    """The sequences of documents, in order: int32 [n] each, n <= rule.length.

    A document's lines are tokenised one by one and then read on as one text, which is cut every
    `length - 2` tokens into pieces wrapped in [CLS] and [SEP]; nothing crosses documents. So a
    `line` document is one sequence unless it is too long, as in the original scripts, and a
    `block` document fills all its sequences but the last.
    """
    tokens, lengths = _tokenised(documents, backend)
    lengths = _cut(lengths, rule.length - 2)
    before = np.concatenate([[0], np.cumsum(tokens == special.unk)])
    stops = np.cumsum(lengths)
    unknowns = before[stops] - before[stops - lengths]
    short = lengths + 2 < rule.shortest_tokens
    unknown = ~short & (unknowns >= rule.unknown_share * (lengths + 2))
    dropped.short += int(short.sum())
    dropped.unknown += int(unknown.sum())
    kept = ~(short | unknown)
    return _wrapped(tokens[np.repeat(kept, lengths)], lengths[kept], special)


def make_pairs(
    documents: Iterable[str],
    backend: Tokenizer,
    special: SpecialIds,
    rule: Rule,
    dropped: Dropped,
) -> list[Array]:
    """The sequences of documents that are pairs: both texts of the first, of the second, ...

    A text is cut to half a row. A pair is left out with either of its texts.
    """
    kept: list[Array] = []
    longest = rule.length // 2
    for document in documents:
        encodings = backend.encode_batch_fast(document.split(PAIR), add_special_tokens=False)
        ids = [np.asarray(each.ids[: longest - 2], np.int32) for each in encodings]
        if len(ids) != 2 or min(map(len, ids)) + 2 < rule.shortest_tokens:
            dropped.short += 1
        elif any((each == special.unk).sum() >= rule.unknown_share * len(each) for each in ids):
            dropped.unknown += 1
        else:
            kept += [np.concatenate([[special.cls], each, [special.sep]]) for each in ids]
    return [each.astype(np.int32) for each in kept]


def _cut(lengths: Array, longest: int) -> Array:
    """The lengths of documents' pieces: `longest` each, but what is left at a document's end."""
    lengths = lengths[lengths > 0]
    counts = -(-lengths // longest)
    pieces = np.full(counts.sum(), longest)
    pieces[np.cumsum(counts) - 1] = lengths - (counts - 1) * longest
    return pieces


def _wrapped(tokens: Array, lengths: Array, special: SpecialIds) -> list[Array]:
    """The pieces of these lengths, which follow each other in `tokens`, in [CLS] and [SEP]."""
    stops = np.cumsum(lengths + 2)
    starts = stops - lengths - 2
    whole = np.empty(len(tokens) + 2 * len(lengths), np.int32)
    inside = np.ones(len(whole), bool)
    inside[starts] = inside[stops - 1] = False
    whole[inside] = tokens
    whole[starts], whole[stops - 1] = special.cls, special.sep
    return [whole[start:stop] for start, stop in zip(starts, stops, strict=True)]


def _tokenised(documents: Iterable[str], backend: Tokenizer) -> tuple[Array, Array]:
    """The ids of all documents one after the other, and how many each has.

    The library's threads work on the next batches while ids become an array here.
    """

    def encode(batch: tuple[list[str], list[bool]]) -> tuple[list[Encoding], list[bool]]:
        pieces, are_last = batch
        return backend.encode_batch_fast(pieces, add_special_tokens=False), are_last

    ids, lengths, ends = [np.zeros(0, np.int32)], list[int](), list[int]()
    for encodings, are_last in pipelined_map(encode, batches(documents), count=BATCHES_AHEAD):
        ends += [len(lengths) + n for n, is_last in enumerate(are_last, 1) if is_last]
        here = list(map(len, encodings))
        lengths += here
        every = chain.from_iterable(encoding.ids for encoding in encodings)
        ids.append(np.fromiter(every, np.int32, sum(here)))
    total = np.concatenate([[0], np.cumsum(np.array(lengths, np.int64))])
    return np.concatenate(ids), np.diff(total[[0, *ends]])


def batches(documents: Iterable[str]) -> Iterator[tuple[list[str], list[bool]]]:
    """About `BATCH_CHARACTERS` of text in pieces, and whether each is the last of its document."""
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
