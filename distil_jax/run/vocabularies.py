"""Whether the models of a run and its tokenizer belong together."""

from typing import Any

from distil_jax.configuration.schema import Config
from distil_jax.errors import UserError
from distil_jax.models import EncoderConfig
from distil_jax.notes import note
from distil_jax.pretrained import Pretrained
from distil_jax.tokenizer import difference

PADDED_TO = (8, 16, 32, 64, 128, 256, 512)
"""Vocabularies are often padded to a multiple of one of these; their last ids are never used."""


def check_tokenizer(config: Config, key: str, model: Pretrained, tokenizer: Any) -> None:
    """Refuse a model that was trained with another tokenizer than the run's.

    Where the user named the run's tokenizer, this is said and goes on. Raises `UserError`.
    """
    differs = "" if model.tokenizer is None else difference(tokenizer, model.tokenizer)
    if not differs:
        return
    folder = config.student.folder if key == "student.folder" else config.teacher
    if config.tokenizer:
        note(
            f"config.tokenizer={config.tokenizer} is not the tokenizer of config.{key}={folder}: "
            f"{differs}"
        )
        return
    raise UserError(
        f"config.{key}={folder} has another tokenizer than config.teacher={config.teacher}: "
        f"{differs}; use a student with the teacher's tokenizer, or name in config.tokenizer the "
        "one that both were trained with"
    )


def check_vocabulary(
    config: Config, tokenizer: Any, shape: EncoderConfig, own: Pretrained | None
) -> None:
    """Refuse a table with other rows than the tokenizer has tokens; raises `UserError`.

    Surplus rows are no fault where `own`, the model that they come from, has this tokenizer.
    """
    size, vocabulary = len(tokenizer), shape.vocabulary
    belongs = own is not None and own.tokenizer is not None
    if belongs and vocabulary >= size and not difference(tokenizer, own.tokenizer):
        return
    if vocabulary != size and vocabulary not in [-(-size // unit) * unit for unit in PADDED_TO]:
        raise UserError(
            f"the tokenizer of {config.tokenizer or config.teacher or config.student.folder} has "
            f"{size} tokens, but {config.teacher or config.student.folder} has a vocabulary of "
            f"{vocabulary}; set config.tokenizer to the tokenizer this model was trained with"
        )
