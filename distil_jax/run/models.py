"""Teacher, student and tokenizer of a run: loaded or derived, and checked against each other."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from distil_jax.configuration.schema import Config
from distil_jax.configuration.vector_options import check_widths
from distil_jax.errors import UserError
from distil_jax.models import EncoderConfig, choose_layers, initialize
from distil_jax.models.types import Params
from distil_jax.models.vector_config import VectorConfig
from distil_jax.models.weights_digest import weights_digest
from distil_jax.objectives import active
from distil_jax.pretrained import (
    Pretrained,
    load,
    load_language_model,
)
from distil_jax.run import student_start
from distil_jax.run.sentence_models import load_pair
from distil_jax.run.stored_targets import Stored, check_stored, open_stored
from distil_jax.run.student_vocabulary import with_student_vocabulary
from distil_jax.run.text_targets import TextTargets, width_of
from distil_jax.run.text_teachers import TextTeacher
from distil_jax.run.translation import token_maps
from distil_jax.run.vocabularies import check_tokenizer, check_vocabulary, mention_tokenizers
from distil_jax.target_store import TextTable
from distil_jax.tokenizer import load as load_tokenizer
from distil_jax.tokenizer import mask_token, special_ids
from distil_jax.training.assemble import SentenceShapes, TeacherShape, live_targets, module
from distil_jax.training.student import (
    architecture,
    check_objectives,
    check_pair,
    student_of,
    with_dropout,
)
from distil_jax.training.targets import StoredVectors, TargetSource


@dataclass(frozen=True)
class Models:
    """Teacher and student at the start of a run.

    Attributes:
      teacher: None when the student is pretrained from text alone, or from stored targets.
      layers: the teacher layers the student starts from; empty if it does not.
      vectors, teacher_vectors: how student and teacher make a sentence's vector; None where masked
        tokens are predicted.
      others: further teachers.
      token_maps: of each teacher whose tokens are others than the student's, `token_map`'s array.
      stored: the targets that take the teachers' place.
      text_teacher: one that is asked by text, as it reads other tokens than the student's.
      text_table, text_targets: its stored targets, and those of the run's rows.
      origin: the teacher that the student starts from beside them, until its weights are there.
    """

    teacher: Pretrained | None
    student: EncoderConfig
    params: Params
    tokenizer: Any
    layers: tuple[int, ...]
    vectors: VectorConfig | None = None
    teacher_vectors: VectorConfig | None = None
    others: tuple[Pretrained, ...] = ()
    token_maps: tuple[np.ndarray | None, ...] = (None,)
    stored: Stored | None = None
    origin: Pretrained | None = None
    text_teacher: TextTeacher | None = None
    text_table: TextTable | None = None
    text_targets: TextTargets | None = None

    @property
    def teachers(self) -> tuple[Pretrained, ...]:
        """All that run along."""
        return () if self.teacher is None else (self.teacher, *self.others)

    @property
    def distils(self) -> bool:
        """Whether there is anything to compare the student with."""
        return self.teacher is not None or self.stored is not None or self.by_text

    @property
    def by_text(self) -> bool:
        """Whether targets are taken by text."""
        return self.text_teacher is not None or self.text_table is not None

    @property
    def teacher_width(self) -> int:
        """Of the teacher's sentence vectors; 0 without any."""
        if self.text_table is not None:
            return width_of(self.text_table)
        if self.text_teacher is not None:
            return sum(self.text_teacher.column.shape)
        if self.teacher is None or self.teacher_vectors is None:
            return 0
        return self.teacher_vectors.width(self.teacher.config.hidden_size)

    @property
    def teachers_digest(self) -> str | None:
        """Of their weights; None without any."""
        if self.stored is not None:
            digests = [each["digest"] for each in self.stored.settings["teachers"]]
        elif self.text_table is not None:
            digests = [self.text_table.settings["teacher"]]
        elif self.text_teacher is not None:
            digests = [self.text_teacher.settings["teacher"]]
        else:
            digests = [weights_digest(each.params) for each in self.teachers]
        if len(digests) < 2:
            return digests[0] if digests else None
        return hashlib.sha256(" ".join(digests).encode()).hexdigest()

    @property
    def teacher_parameters(self) -> int:
        """Numbers of all that run along."""
        return sum(leaf.size for each in self.teachers for leaf in jax.tree.leaves(each.params))

    @property
    def targets_digest(self) -> str | None:
        """Of the stored targets; None without them."""
        if self.stored is None:
            return None
        return hashlib.sha256(self.stored.store.manifest.to_bytes()).hexdigest()

    def source(self, config: Config, sentences: SentenceShapes | None = None) -> TargetSource:
        """What stands on the teacher's side of this run's step."""
        if self.stored is not None:
            return self.stored.source
        if self.by_text:
            return StoredVectors(self.student)
        shapes = [
            TeacherShape(
                teacher.config, weight, ids is not None, ids is None or bool((ids >= 0).all())
            )
            for teacher, (_, weight), ids in zip(
                self.teachers, config.every_teacher, self.token_maps, strict=False
            )
        ]
        return live_targets(config, shapes, self.student, sentences=sentences)


def load_models(config: Config) -> Models:
    """Load the teachers or open their stored targets, and derive or load the student."""
    if config.loss.of_vectors:
        return _sentence_models(config)
    stored = open_stored(config.targets) if config.targets else None
    teacher = None
    if config.teacher and not (stored and config.student.folder):
        teacher = _teacher(config)
    teacher, source = with_student_vocabulary(config, teacher)
    tokenizer = _tokenizer(config, source)
    layers: tuple[int, ...] = ()
    student = None
    if config.student.folder:
        student = load_language_model(config.student.folder)
        check_tokenizer(config, student, tokenizer)
        shape, params = student.config, student.params
    elif source is None:
        shape = architecture(config, len(tokenizer), pad_token=special_ids(tokenizer).pad)
        params = initialize(shape, jax.random.key(config.seed))
    else:
        shape, params, layers = _derive(config, source)
    check_objectives(config, shape)
    if not shape.block.causal:
        mask_token(tokenizer)
    check_vocabulary(config, tokenizer, shape, source or student)
    mention_tokenizers(config, {"teacher": source, "student.folder": student}, tokenizer)
    shape = with_dropout(config, shape)
    if stored is not None:
        stored = stored.for_student(shape)
        check_stored(config, stored, teacher, tokenizer, shape)
        fitting = stored.fitting(config)
        return Models(None, shape, params, tokenizer, layers, stored=fitting, origin=teacher)
    return _with_other_teachers(config, Models(teacher, shape, params, tokenizer, layers))


def check_platform(config: Config, models: Models) -> None:
    """Refuse what the devices here cannot compute of a config."""
    module(config, models.student, config.precision.compute)
    for teacher in models.teachers:
        module(config, teacher.config, config.precision.teacher)


def _with_other_teachers(config: Config, models: Models) -> Models:
    """The further teachers beside the first, each checked against the student."""
    names = [name for name, _ in config.every_teacher] if models.teacher else []
    others = tuple(load_language_model(name) for name in names[1:])
    models = replace(models, others=others)
    maps = token_maps(config, models.teachers, models.tokenizer, models.student)
    for name, teacher, ids in zip(names, models.teachers, maps, strict=True):
        seen = teacher.config
        if ids is not None:
            seen = replace(seen, vocabulary=models.student.vocabulary)
        check_pair(config, seen, models.student, name)
    return replace(models, token_maps=maps or (None,))


def _teacher(config: Config) -> Pretrained:
    """The teacher, with a masked-LM head or, where no objective compares logits, without any."""
    of_logits = [
        one.name for one in active(config.loss) if one.needs_teacher and one.vocabulary is not None
    ]
    teacher = load(config.teacher)
    if teacher.head == teacher.config.language_head:
        return teacher
    if of_logits or teacher.config.block.causal:
        return _with_its_head(config, of_logits)
    shape = replace(teacher.config, tied=True)
    return replace(
        teacher, config=shape, params={"encoder": teacher.params["encoder"]}, head=None, labels=()
    )


def _with_its_head(config: Config, of_logits: list[str]) -> Pretrained:
    """The teacher loaded by the head that its logits need."""
    try:
        return load_language_model(config.teacher)
    except UserError as error:
        if not of_logits:
            raise
        keys = " and ".join(f"config.loss.{name}=0" for name in of_logits)
        raise UserError(f"{error}, or set {keys}: the other losses need no logits") from error


def _sentence_models(config: Config) -> Models:
    """Models of sentence vectors: the student makes them as its folder, or its teacher, does."""
    pair = load_pair(config, _derive)
    tokenizer = _tokenizer(config, pair.student.model)
    check_vocabulary(config, tokenizer, pair.shape, pair.student.model)
    check_widths(config.loss, pair.student.vectors.width(pair.shape.hidden_size))
    return Models(
        None if pair.teacher is None else pair.teacher.model,
        with_dropout(config, pair.shape),
        pair.params,
        tokenizer,
        pair.layers,
        vectors=pair.student.vectors,
        teacher_vectors=None if pair.teacher is None else pair.teacher.vectors,
        text_teacher=pair.text_teacher,
        text_table=pair.text_table,
    )


def _derive(config: Config, teacher: Pretrained) -> tuple[EncoderConfig, Params, tuple[int, ...]]:
    try:
        layers = choose_layers(teacher.config.layers, config.student.layers)
    except UserError as error:
        raise UserError(f"config.student.layers={config.student.layers!r}: {error}") from error
    shape = student_of(config, teacher.config, layers)
    params = student_start.derive(config, teacher, layers)
    return shape, params, () if config.student.initialize == "random" else layers


def _tokenizer(config: Config, teacher: Pretrained | None) -> Any:
    if config.tokenizer:
        return load_tokenizer(config.tokenizer)
    if teacher is not None:
        if teacher.tokenizer is None:
            raise UserError(
                f"config.teacher={config.teacher} has no tokenizer files; "
                "set config.tokenizer to a folder that has them"
            )
        return teacher.tokenizer
    if config.student.folder:
        return load_tokenizer(config.student.folder)
    raise UserError("without config.teacher, set config.tokenizer to a tokenizer's folder")
