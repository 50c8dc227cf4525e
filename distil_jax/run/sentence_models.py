"""Teacher and student of a run of sentence vectors, checked against each other."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from distil_jax.configuration.objective_table import OBJECTIVES
from distil_jax.configuration.schema import Config
from distil_jax.errors import UserError
from distil_jax.models import EncoderConfig
from distil_jax.models.types import Params
from distil_jax.models.vector_config import NORMALIZE
from distil_jax.objectives import active
from distil_jax.pretrained import Pretrained, SentenceModel, load_sentence_model
from distil_jax.run.text_targets import check_texts, open_stored
from distil_jax.run.text_teachers import (
    SCORE,
    TextTeacher,
    pair_teacher,
    vector_teacher,
    wanted_column,
)
from distil_jax.target_store import TextTable
from distil_jax.tokenizer import fingerprint
from distil_jax.training.student import check_pair

Derive = Callable[[Config, Pretrained], tuple[EncoderConfig, Params, tuple[int, ...]]]


@dataclass(frozen=True)
class SentencePair:
    """A student of sentence vectors and what it learns from.

    Attributes:
      student: the model that says how vectors are made: the student's folder, or its teacher.
      shape, params: of the student's encoder.
      layers: those of the teacher that it starts from; empty if it does not.
      teacher: one that reads the student's rows; None without any.
      text_teacher: one that reads other tokens, or pairs; None where its targets are stored.
      text_table: stored targets.
    """

    student: SentenceModel
    shape: EncoderConfig
    params: Params
    layers: tuple[int, ...] = ()
    teacher: SentenceModel | None = None
    text_teacher: TextTeacher | None = None
    text_table: TextTable | None = None


def load_pair(config: Config, derive: Derive) -> SentencePair:
    """Load or derive the models; raises `UserError` for those that cannot be compared."""
    if config.teachers:
        raise UserError(
            "config.teachers goes with masked tokens; sentence vectors have one teacher: leave it "
            "empty"
        )
    if wanted_column(config) == SCORE:
        return _of_scores(config)
    teacher = load_sentence_model(config.teacher) if config.teacher else None
    if config.student.folder:
        student = load_sentence_model(config.student.folder)
        pair = SentencePair(student, student.model.config, student.model.params)
    elif teacher is None:
        raise UserError(
            "without config.teacher, set config.student.folder to the model whose vectors are "
            "trained"
        )
    else:
        shape, derived, layers = derive(config, teacher.model)
        params = {**teacher.model.params, "encoder": derived["encoder"]}
        _check_dense(config, teacher, shape)
        pair = SentencePair(teacher, shape, params, layers)
    if config.targets:
        asked = None if teacher is None else vector_teacher(teacher, config)
        return _by_text(config, replace(pair, text_table=open_stored(config, asked)))
    if teacher is None:
        return pair
    if _reads_the_same(pair.student, teacher):
        check_pair(config, teacher.model.config, pair.shape)
        return replace(pair, teacher=teacher)
    return _by_text(config, replace(pair, text_teacher=vector_teacher(teacher, config)))


def _of_scores(config: Config) -> SentencePair:
    """A student whose teacher is a cross-encoder."""
    if not config.student.folder:
        raise UserError(
            "config.loss.pair_mse has a cross-encoder as its teacher, which no sentence model is "
            "made of; set config.student.folder to the model whose vectors are trained"
        )
    student = load_sentence_model(config.student.folder)
    pair = SentencePair(student, student.model.config, student.model.params)
    teacher = pair_teacher(config.teacher) if config.teacher else None
    if config.targets:
        return _by_text(config, replace(pair, text_table=open_stored(config, teacher)))
    return _by_text(config, replace(pair, text_teacher=teacher))


def _reads_the_same(student: SentenceModel, teacher: SentenceModel) -> bool:
    """Whether a teacher can read the student's rows."""
    if student is teacher:
        return True
    ours, theirs = student.model.tokenizer, teacher.model.tokenizer
    alike = ours is not None and theirs is not None and fingerprint(ours) == fingerprint(theirs)
    return alike and student.vectors.lower_case == teacher.vectors.lower_case


def _by_text(config: Config, pair: SentencePair) -> SentencePair:
    """Refuse what vectors of texts cannot serve."""
    check_texts(config)
    for one in active(config.loss):
        if one.needs_teacher and not OBJECTIVES[one.name].of_vectors:
            raise UserError(
                f"config.loss.{one.name} compares the teacher's insides token by token, and its "
                "vectors are taken by text; set it to 0, or use a student with the teacher's "
                "tokenizer and leave config.targets empty"
            )
    return pair


def _check_dense(config: Config, teacher: SentenceModel, shape: EncoderConfig) -> None:
    """The teacher's dense maps, which the student takes over, are for its width alone."""
    wide = shape.hidden_size != teacher.model.config.hidden_size
    if wide and any(stage != NORMALIZE for stage in teacher.vectors.stages):
        raise UserError(
            f"teacher {config.teacher} has a dense map behind its pooling, made for hidden states "
            f"{teacher.model.config.hidden_size} wide, and the student's are {shape.hidden_size}; "
            "use a student of the same width"
        )
