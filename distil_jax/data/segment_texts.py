"""The text of each sequence that rows are made of, for models that read other tokens than these."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Encoding, Tokenizer

from distil_jax.data.records import PAIR
from distil_jax.data.sequences import bare_backend, batches
from distil_jax.tokenizer import special_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Lines = list[tuple[str, Encoding]]


def sequence_key(tokens: np.ndarray) -> bytes:
    """What a sequence is found by: its token ids, special ones included."""
    return np.ascontiguousarray(tokens, np.int32).tobytes()


def segment_texts(
    documents: Iterable[str], tokenizer: "PreTrainedTokenizerFast", *, length: int
) -> Iterator[tuple[bytes, str]]:
    """Key and text of every sequence that `data.sequences` makes of documents, and of more.

    Of a document that is cut each sequence has its own part of the text, of one that is a pair each
    of its texts.
    """
    backend, special = bare_backend(tokenizer), special_ids(tokenizer)
    wrap = np.asarray([special.cls], np.int32), np.asarray([special.sep], np.int32)
    for lines, longest in _documents(documents, backend, length):
        for ids, text in _sequences(lines, longest):
            yield sequence_key(np.concatenate([wrap[0], ids, wrap[1]])), text


def pair_texts(
    documents: Iterable[str], tokenizer: "PreTrainedTokenizerFast", *, length: int
) -> Iterator[tuple[bytes, tuple[str, str]]]:
    """Key and texts of every pair that `data.sequences.make_pairs` makes of documents.

    The key is that of the tokens of both, one behind the other.
    """
    backend, special = bare_backend(tokenizer), special_ids(tokenizer)
    longest = length // 2 - 2
    for document in documents:
        first, mark, second = document.partition(PAIR)
        if not mark:
            continue
        encodings = backend.encode_batch_fast([first, second], add_special_tokens=False)
        parts = [[special.cls, *each.ids[:longest], special.sep] for each in encodings]
        yield sequence_key(np.asarray(parts[0] + parts[1], np.int32)), (first, second)


def _documents(
    documents: Iterable[str], backend: Tokenizer, length: int
) -> Iterator[tuple[Lines, int]]:
    """The lines of each text, tokenised, and the most tokens of a sequence of it."""
    held: Lines = []
    texts = (_marked(document) for document in documents)
    for pieces, are_last in batches(text for of_document in texts for text in of_document):
        plain = [piece.removeprefix(PAIR) for piece in pieces]
        encodings = backend.encode_batch(plain, add_special_tokens=False)
        for piece, text, encoding, is_last in zip(pieces, plain, encodings, are_last, strict=True):
            held.append((text, encoding))
            if is_last:
                yield held, (length // 2 if piece.startswith(PAIR) else length) - 2
                held = []


def _marked(document: str) -> list[str]:
    """A document, or its two texts, each behind the mark of a pair."""
    first, mark, second = document.partition(PAIR)
    return [document] if not mark else [f"{PAIR}{each}" for each in (first, second)]


def _sequences(lines: Lines, longest: int) -> Iterator[tuple[np.ndarray, str]]:
    ids = np.concatenate([np.asarray(encoding.ids, np.int32) for _, encoding in lines])
    owners = np.repeat(np.arange(len(lines)), [len(encoding.ids) for _, encoding in lines])
    offsets = [span for _, encoding in lines for span in encoding.offsets]
    for start in range(0, len(ids), longest):
        part = slice(start, start + longest)
        if len(ids) <= longest:
            yield ids, "\n".join(text for text, _ in lines)
            return
        yield ids[part], _text(lines, owners[part], offsets[part])


def _text(lines: Lines, owners: np.ndarray, offsets: list[tuple[int, int]]) -> str:
    """What these tokens were made of, line by line."""
    parts = []
    for owner in np.unique(owners):
        spans = [offsets[place] for place in np.flatnonzero(owners == owner)]
        parts.append(lines[owner][0][spans[0][0] : spans[-1][1]])
    return "\n".join(parts)
