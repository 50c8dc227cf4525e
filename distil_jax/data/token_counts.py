"""Tokens of a text: how often each stands in it, and how many another tokenizer leaves as is."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from distil_jax.data.sequences import bare_backend

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

TEXTS_AT_ONCE = 1024


def count_tokens(
    tokenizer: "PreTrainedTokenizerFast", texts: Iterable[str]
) -> Int[np.ndarray, " vocabulary"]:
    """How often each token stands in the texts, special tokens around them left out."""
    backend = bare_backend(tokenizer)
    counts = np.zeros(len(tokenizer), np.int64)
    for some in _batches(texts):
        for encoding in backend.encode_batch_fast(some, add_special_tokens=False):
            np.add.at(counts, encoding.ids, 1)
    return counts


def unchanged_share(
    before: "PreTrainedTokenizerFast", after: "PreTrainedTokenizerFast", texts: Iterable[str]
) -> tuple[float, int]:
    """The share of the tokens that `before` makes of the texts which `after` makes, too.

    A token is the same where it is written alike and stands for the same characters. The second
    result is how many tokens `before` makes.
    """
    first, second = bare_backend(before), bare_backend(after)
    same = total = 0
    for some in _batches(texts):
        encoded = zip(
            first.encode_batch(some, add_special_tokens=False),
            second.encode_batch(some, add_special_tokens=False),
            strict=True,
        )
        for old, new in encoded:
            total += len(old.ids)
            found = set(zip(new.offsets, new.tokens, strict=True))
            same += sum(place in found for place in zip(old.offsets, old.tokens, strict=True))
    return same / max(total, 1), total


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    source = iter(texts)
    while some := list(islice(source, TEXTS_AT_ONCE)):
        yield some
