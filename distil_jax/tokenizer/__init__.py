"""Fast tokenizers: folders, WordPiece training, special ids, a fingerprint."""

from distil_jax.tokenizer.comparison import difference
from distil_jax.tokenizer.fingerprint import fingerprint
from distil_jax.tokenizer.plain import load_plain
from distil_jax.tokenizer.special import SpecialIds, mask_token, special_ids
from distil_jax.tokenizer.tokenizer_folder import (
    BUILTIN_TEACHER,
    load,
    resolve,
    save,
    without_frame,
)
from distil_jax.tokenizer.wordpiece import train_wordpiece

__all__ = [
    "BUILTIN_TEACHER",
    "SpecialIds",
    "difference",
    "fingerprint",
    "load",
    "load_plain",
    "mask_token",
    "resolve",
    "save",
    "special_ids",
    "train_wordpiece",
    "without_frame",
]
