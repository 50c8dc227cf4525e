"""The tokens of a student that has a part of its teacher's."""

from pathlib import Path

from distil_jax.configuration.schema import Config
from distil_jax.data.store import is_prepared
from distil_jax.errors import UserError
from distil_jax.pretrained import Pretrained
from distil_jax.pretrained.vocabulary import renumbered, with_vocabulary
from distil_jax.run.vocabulary_pruning import Corpus, kept_tokens


def with_student_vocabulary(
    config: Config, teacher: Pretrained | None
) -> tuple[Pretrained | None, Pretrained | None]:
    """The teacher, and what the student is derived from: of config.student.vocabulary alone.

    Both have the same numbers for the student's tokens. Raises `UserError` for what the config's
    text, file or folder cannot give.
    """
    named = config.student.vocabulary
    if teacher is None or not named:
        return teacher, teacher
    train = config.data.train
    if named.isdecimal() and is_prepared(train):
        raise UserError(
            f"config.student.vocabulary={named} counts the tokens of text, but config.data.train="
            f"{train} is prepared; run python -m distil_jax.prune_vocabulary --model="
            f"{config.teacher}, prepare the text with --tokenizer= its --output, and set "
            "config.student.vocabulary to that folder"
        )
    share = 0.0 if config.data.validation else config.data.heldout
    corpus = Corpus(train, config.data.document, config.data.column, share)
    try:
        kept = kept_tokens(teacher, corpus, int(named) if named.isdecimal() else Path(named))
    except UserError as error:
        raise UserError(f"config.student.vocabulary={named}: {error}") from error
    return renumbered(teacher, kept), with_vocabulary(teacher, kept)
