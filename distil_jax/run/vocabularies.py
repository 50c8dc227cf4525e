"""Whether the models of a run and its tokenizer belong together."""

from collections.abc import Mapping
from typing import Any

from distil_jax.configuration.schema import Config
from distil_jax.errors import UserError
from distil_jax.models import EncoderConfig
from distil_jax.notes import note
from distil_jax.pretrained import Pretrained
from distil_jax.tokenizer import difference

PADDED_TO = (8, 16, 32, 64, 128, 256, 512)
"""Vocabularies are often padded to a multiple of one of these; their last ids are never used."""


def check_tokenizer(config: Config, student: Pretrained, tokenizer: Any) -> None:
    """Refuse a student that was trained with another tokenizer than the run's; raises `UserError`.

    Where the user named the run's tokenizer it is for `mention_tokenizers` to say.
    """
    differs = "" if config.tokenizer else _difference(student, tokenizer)
    if differs:
        raise UserError(
            f"config.student.folder={config.student.folder} has another tokenizer than "
            f"config.teacher={config.teacher}: {differs}; use a student with the teacher's "
            "tokenizer, or name in config.tokenizer the one that both were trained with"
        )


def mention_tokenizers(
    config: Config, models: Mapping[str, Pretrained | None], tokenizer: Any
) -> None:
    """Say which of the models, by their keys, have another tokenizer than the one named."""
    folders = {"teacher": config.teacher, "student.folder": config.student.folder}
    for key, model in models.items() if config.tokenizer else ():
        if model is not None and (differs := _difference(model, tokenizer)):
            note(
                f"config.tokenizer={config.tokenizer} is not the tokenizer of "
                f"config.{key}={folders[key]}: {differs}"
            )


def _difference(model: Pretrained, tokenizer: Any) -> str:
    return "" if model.tokenizer is None else difference(tokenizer, model.tokenizer)


def check_vocabulary(
    config: Config, tokenizer: Any, shape: EncoderConfig, own: Pretrained | None
) -> None:
    """Refuse a table with other rows than the tokenizer has tokens; raises `UserError`.

    Surplus rows are no fault where `own`, the model that they come from, has this tokenizer.
    """
    size, vocabulary = len(tokenizer), shape.vocabulary
    known = None if own is None else own.tokenizer
    if known is not None and vocabulary >= size and not difference(tokenizer, known):
        return
    if vocabulary != size and vocabulary not in [-(-size // unit) * unit for unit in PADDED_TO]:
        raise UserError(
            f"the tokenizer of {config.tokenizer or config.teacher or config.student.folder} has "
            f"{size} tokens, but {config.teacher or config.student.folder} has a vocabulary of "
            f"{vocabulary}; set config.tokenizer to the tokenizer this model was trained with"
        )
