"""The shapes of a config's teacher and student, from a folder here or by a known name."""

import difflib
from dataclasses import dataclass, replace
from pathlib import Path

from distil_jax.configuration.schema import Config
from distil_jax.errors import UserError
from distil_jax.models import EncoderConfig, choose_layers
from distil_jax.objectives import active
from distil_jax.planning.known_shapes import BERT_VOCABULARY, KNOWN
from distil_jax.pretrained import locate
from distil_jax.pretrained.config_file import read_config
from distil_jax.storage.address import is_url
from distil_jax.target_store import Column
from distil_jax.tokenizer import BUILTIN_TEACHER, load, resolve, special_ids
from distil_jax.training import student as student_rule
from distil_jax.training.stored_source import VALIDATION, open_source
from distil_jax.training.targets import StoredTargets


@dataclass(frozen=True)
class ModelShapes:
    """The shapes of a run's models; no teacher where none runs along.

    Attributes:
      weight: of the teacher, where there are others.
      others: further teachers, with their weights.
      stored: the targets in their place, and the columns that come with each row.
    """

    teacher: EncoderConfig | None
    student: EncoderConfig
    weight: float = 1.0
    others: tuple[tuple[EncoderConfig, float], ...] = ()
    stored: StoredTargets | None = None
    columns: tuple[Column, ...] = ()

    @property
    def teachers(self) -> tuple[tuple[EncoderConfig, float], ...]:
        """All of them, with their weights."""
        return () if self.teacher is None else ((self.teacher, self.weight), *self.others)

    def compared(self, config: Config) -> dict[str, EncoderConfig | None]:
        """What each active objective compares the student with, by name."""
        chosen = student_rule.chosen_teachers(config)
        every = [None if self.stored is None else self.stored.config]
        every = [shape for shape, _ in self.teachers] or every
        return {one.name: every[chosen.get(one.name, 0)] for one in active(config.loss)}


def model_shapes(config: Config) -> ModelShapes:
    """As a run's models are derived them, without weights; raises `UserError` for a bad one."""
    teacher = shape_of(config.teacher) if config.teacher else None
    student = _student(config, teacher)
    student_rule.check_objectives(config, student)
    if config.targets:
        return _with_targets(config, student)
    if teacher is None:
        return ModelShapes(None, student)
    (first, weight), *others = config.every_teacher
    further = tuple((shape_of(name), own) for name, own in others)
    student_rule.check_pair(config, teacher, student, first)
    for (name, _), (shape, _) in zip(others, further, strict=True):
        student_rule.check_pair(config, shape, student, name)
    return ModelShapes(teacher, student, weight, further)


def _with_targets(config: Config, student: EncoderConfig) -> ModelShapes:
    """A student without a teacher in memory; its rows come with what is stored of one."""
    if config.loss.of_vectors:
        raise UserError(
            f"config.targets={config.targets}: plan counts sentence vectors with the teacher that "
            "makes them; leave it empty, and take off what the tables say of the teacher"
        )
    store, source = open_source(config.targets)
    student_rule.check_pair(config, source.config, student, f"in config.targets={config.targets}")
    source = replace(source, student=student)
    columns = store.tables[VALIDATION].columns
    return ModelShapes(
        None,
        student,
        stored=source,
        columns=tuple(each for each in columns if each.name in source.columns),
    )


def shape_of(name: str) -> EncoderConfig:
    """The shape of a folder's model, or of a well-known name; raises `UserError` for others.

    A folder of that name comes first. An owner before the name (google-bert/) may be left out.
    """
    if Path(name).is_dir() or name == BUILTIN_TEACHER:
        return read_config(locate(name))[0]
    known = name.rpartition("/")[2].lower()
    if known in KNOWN:
        return KNOWN[known]
    near = difflib.get_close_matches(known, KNOWN, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(KNOWN)}"
    raise UserError(f"{name} is neither a model folder nor a shape that is known; {hint}")


def _student(config: Config, teacher: EncoderConfig | None) -> EncoderConfig:
    if config.student.folder:
        return shape_of(config.student.folder)
    if teacher is None:
        return _from_nothing(config)
    try:
        layers = choose_layers(teacher.layers, config.student.layers)
    except UserError as error:
        raise UserError(f"config.student.layers={config.student.layers!r}: {error}") from error
    shape = student_rule.student_of(config, teacher, layers)
    return _with_vocabulary(config.student.vocabulary, shape)


def _with_vocabulary(named: str, shape: EncoderConfig) -> EncoderConfig:
    """With as many tokens as config.student.vocabulary gives; raises `UserError` for more."""
    if not named:
        return shape
    if not named.isdecimal():
        size = len(load(named)) if Path(named).is_dir() else _lines(named)
    else:
        size = int(named)
    if not 0 < size < shape.vocabulary:
        raise UserError(
            f"config.student.vocabulary={named} makes {size} tokens, but the teacher has "
            f"{shape.vocabulary}; give fewer"
        )
    return replace(shape, vocabulary=size)


def _lines(file: str) -> int:
    try:
        return Path(file).read_text("utf-8").removesuffix("\n").count("\n") + 1
    except (OSError, ValueError) as error:
        raise UserError(
            f"config.student.vocabulary={file} is no number, file or folder here ({error})"
        ) from error


def _from_nothing(config: Config) -> EncoderConfig:
    """With the tokens of the tokenizer where that is here, else as many as BERT's has."""
    if config.tokenizer and not is_url(config.tokenizer) and resolve(config.tokenizer).is_dir():
        tokenizer = load(config.tokenizer)
        return student_rule.architecture(
            config, len(tokenizer), pad_token=special_ids(tokenizer).pad
        )
    return student_rule.architecture(config, BERT_VOCABULARY, pad_token=0)
