"""A teacher's tokens by the student's, where their vocabularies differ by padding or pruning."""

from typing import Any

import numpy as np

from distil_jax.configuration.schema import Config
from distil_jax.errors import UserError
from distil_jax.models import EncoderConfig
from distil_jax.objectives import active
from distil_jax.pretrained import Pretrained

SHOWN = 3


def token_map(name: str, teacher: Pretrained, tokenizer: Any, vocabulary: int) -> np.ndarray | None:
    """For each of the student's tokens the teacher's id, -1 for padding; None where all are alike.

    Raises `UserError` for a teacher that lacks a token of the tokenizer, by its text.
    """
    size, own = len(tokenizer), teacher.config.vocabulary
    known = tokenizer.get_vocab()
    theirs = known if teacher.tokenizer is None else teacher.tokenizer.get_vocab()
    ids = np.full(vocabulary, -1, np.int32)
    missing = [text for text in known if theirs.get(text, own) >= own]
    if missing:
        shown = ", ".join(repr(text) for text in missing[:SHOWN])
        raise UserError(
            f"teacher {name} lacks {len(missing)} of the student's {size} tokens ({shown}, ...); "
            "soft targets need a teacher that has them all: use one with the student's tokenizer, "
            "or one that this tokenizer was pruned from"
        )
    for text, number in known.items():
        if number < vocabulary:
            ids[number] = theirs[text]
    alike = own == vocabulary and np.array_equal(ids[:size], np.arange(size))
    return None if alike else ids


def token_maps(
    config: Config, teachers: tuple[Pretrained, ...], tokenizer: Any, student: EncoderConfig
) -> tuple[np.ndarray | None, ...]:
    """How each teacher's tokens are found by the student's, where soft targets compare them."""
    compared = any(one.needs_teacher for one in active(config.loss))
    return tuple(
        token_map(name, teacher, tokenizer, student.vocabulary)
        if compared
        and not config.student.vocabulary
        and (number or teacher.config.vocabulary != student.vocabulary)
        else None
        for number, ((name, _), teacher) in enumerate(
            zip(config.every_teacher, teachers, strict=True)
        )
    )
