"""Token ids of texts and of pairs of texts, cut to a length."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Tokenizer

from distil_jax.data.sequences import bare_backend
from distil_jax.errors import UserError
from distil_jax.models import EncoderConfig

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

TEXTS_AT_ONCE = 4096


@dataclass(frozen=True)
class Encoded:
    """Sequences, each as the model reads it alone: special tokens in, no padding.

    Attributes:
      tokens: int32 [n] each.
      token_types: int32 [n] each; which of the two texts a token belongs to.
      truncated: how many sequences were cut.
    """

    tokens: tuple[np.ndarray, ...]
    token_types: tuple[np.ndarray, ...]
    truncated: int

    def __len__(self) -> int:
        return len(self.tokens)

    def part(self, numbers: Sequence[int]) -> "Encoded":
        """Some of the sequences."""
        tokens = tuple(self.tokens[number] for number in numbers)
        return Encoded(tokens, tuple(self.token_types[number] for number in numbers), 0)

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each sequence."""
        return np.asarray([len(tokens) for tokens in self.tokens], np.int64)


def encode(
    first: Sequence[str],
    second: Sequence[str] | None,
    tokenizer: "PreTrainedTokenizerFast",
    *,
    length: int,
) -> Encoded:
    """Texts or pairs in the tokenizer's own format; of a pair the longer text is cut first."""
    backend = cutting_backend(tokenizer, length)
    tokens, types, truncated = [], [], 0
    for start in range(0, len(first), TEXTS_AT_ONCE):
        part = slice(start, start + TEXTS_AT_ONCE)
        texts = first[part] if second is None else zip(first[part], second[part], strict=True)
        for encoding in backend.encode_batch_fast(list(texts)):
            tokens.append(np.asarray(encoding.ids, np.int32))
            types.append(np.asarray(encoding.type_ids, np.int32))
            truncated += bool(encoding.overflowing)
    return Encoded(tuple(tokens), tuple(types), truncated)


def cutting_backend(tokenizer: "PreTrainedTokenizerFast", length: int) -> Tokenizer:
    """The Rust tokenizer, cutting at `length` tokens, special ones included."""
    backend = bare_backend(tokenizer)
    backend.enable_truncation(length, strategy="longest_first")
    return backend


def check_length(length: int | None, usual: int, config: EncoderConfig) -> int:
    """The length asked for, or the usual one as far as the model goes; raises `UserError`."""
    if length is None:
        return min(usual, config.positions)
    if length > config.positions:
        raise UserError(
            f"--length={length} is more than the model's {config.positions} positions; "
            f"give at most --length={config.positions}"
        )
    return length
