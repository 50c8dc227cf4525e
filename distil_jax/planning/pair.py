"""The shapes of a config's teacher and student, read where they are and known by name elsewhere."""

from dataclasses import dataclass

from distil_jax.configuration.schema import Config
from distil_jax.errors import UserError
from distil_jax.models import EncoderConfig, student_shape
from distil_jax.planning.known_shapes import shape_of
from distil_jax.storage.address import is_url
from distil_jax.tokenizer import load, resolve, special_ids
from distil_jax.training import assemble

BERT_VOCABULARY = 30522


@dataclass(frozen=True)
class Pair:
    """The shapes of a run's models; no teacher where the student is pretrained from text alone."""

    teacher: EncoderConfig | None
    student: EncoderConfig


def pair_of(config: Config) -> Pair:
    """As `assemble.models` derives them, without weights; raises `UserError` for a bad one."""
    teacher = shape_of(config.teacher) if config.teacher else None
    student = _student(config, teacher)
    if teacher is not None:
        assemble.check_pair(config, teacher, student)
    return Pair(teacher, student)


def _from_nothing(config: Config) -> EncoderConfig:
    """With the tokens of the tokenizer where that is here, else as many as BERT's has."""
    if config.tokenizer and not is_url(config.tokenizer) and resolve(config.tokenizer).is_dir():
        opened = load(config.tokenizer)
        return assemble.architecture(config, len(opened), pad_token=special_ids(opened).pad)
    return assemble.architecture(config, BERT_VOCABULARY, pad_token=0)


def _student(config: Config, teacher: EncoderConfig | None) -> EncoderConfig:
    if config.student.folder:
        return shape_of(config.student.folder)
    if teacher is None:
        return _from_nothing(config)
    try:
        layers = assemble.parse_layers(config.student.layers, teacher.layers)
    except UserError as error:
        raise UserError(f"config.student.layers={config.student.layers!r}: {error}") from error
    return student_shape(teacher, len(layers), keep_token_types=config.student.keep_token_types)
