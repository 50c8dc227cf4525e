"""Teacher, student and tokenizer of a run: loaded, derived, and put on its devices."""

from dataclasses import dataclass, replace
from typing import Any

import jax

from distil_jax.configuration.schema import Config, Precision
from distil_jax.errors import UserError
from distil_jax.models import EncoderConfig, initialize
from distil_jax.models.stacking import stack, unstack
from distil_jax.models.types import Params
from distil_jax.models.vector_config import NORMALIZE, VectorConfig
from distil_jax.objectives import active
from distil_jax.pretrained import (
    Pretrained,
    SentenceModel,
    load,
    load_language_model,
    load_sentence_model,
)
from distil_jax.run import student_start
from distil_jax.run.student_vocabulary import with_student_vocabulary
from distil_jax.run.vocabularies import check_tokenizer, check_vocabulary, mention_tokenizers
from distil_jax.tokenizer import fingerprint, mask_token, special_ids
from distil_jax.tokenizer import load as load_tokenizer
from distil_jax.training.assemble import cast
from distil_jax.training.parallel import Devices
from distil_jax.training.projections import with_projections
from distil_jax.training.step import Constants, StepSpec
from distil_jax.training.student import (
    architecture,
    check_objectives,
    check_pair,
    parse_layers,
    student_of,
    with_dropout,
)


@dataclass(frozen=True)
class Models:
    """Teacher and student at the start of a run.

    Attributes:
      teacher: None when the student is pretrained from text alone.
      layers: the teacher layers the student starts from; empty if it does not.
      vectors, teacher_vectors: how student and teacher make a sentence's vector; None where masked
        tokens are predicted.
    """

    teacher: Pretrained | None
    student: EncoderConfig
    params: Params
    tokenizer: Any
    layers: tuple[int, ...]
    vectors: VectorConfig | None = None
    teacher_vectors: VectorConfig | None = None


def load_models(config: Config) -> Models:
    """Load the teacher, and derive or load the student."""
    if config.loss.of_vectors:
        return _sentence_models(config)
    teacher = _teacher(config) if config.teacher else None
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
    if teacher is not None:
        check_pair(config, teacher.config, shape)
    if not shape.block.causal:
        mask_token(tokenizer)
    check_vocabulary(config, tokenizer, shape, source or student)
    mention_tokenizers(config, {"teacher": source, "student.folder": student}, tokenizer)
    return Models(teacher, with_dropout(config, shape), params, tokenizer, layers)


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
        raise UserError(
            f"{error}, or set {keys}: {' and '.join(of_logits)} compare its logits"
        ) from error


def _sentence_models(config: Config) -> Models:
    """Models of sentence vectors: the student makes them as its folder, or its teacher, does."""
    teacher = load_sentence_model(config.teacher) if config.teacher else None
    layers: tuple[int, ...] = ()
    if config.student.folder:
        student = load_sentence_model(config.student.folder)
        shape, params = student.model.config, student.model.params
    elif teacher is None:
        raise UserError(
            "without config.teacher, set config.student.folder to the model whose vectors are "
            "trained"
        )
    else:
        student = teacher
        shape, derived, layers = _derive(config, teacher.model)
        params = {**teacher.model.params, "encoder": derived["encoder"]}
        _check_dense(config, teacher, shape)
    tokenizer = _tokenizer(config, student.model)
    if teacher is not None:
        _check_vectors(config, teacher, student, shape)
    check_vocabulary(config, tokenizer, shape, student.model)
    return Models(
        None if teacher is None else teacher.model,
        with_dropout(config, shape),
        params,
        tokenizer,
        layers,
        vectors=student.vectors,
        teacher_vectors=None if teacher is None else teacher.vectors,
    )


def _check_dense(config: Config, teacher: SentenceModel, shape: EncoderConfig) -> None:
    """The teacher's dense maps, which the student takes over, are for its width alone."""
    wide = shape.hidden_size != teacher.model.config.hidden_size
    if wide and any(stage != NORMALIZE for stage in teacher.vectors.stages):
        raise UserError(
            f"teacher {config.teacher} has a dense map behind its pooling, made for hidden states "
            f"{teacher.model.config.hidden_size} wide, and the student's are {shape.hidden_size}; "
            "use a student of the same width"
        )


def _check_vectors(
    config: Config, teacher: SentenceModel, student: SentenceModel, shape: EncoderConfig
) -> None:
    """Refuse a pair whose rows or vectors cannot be compared."""
    check_pair(config, teacher.model.config, shape)
    if student is not teacher and fingerprint(student.model.tokenizer) != fingerprint(  # type: ignore[arg-type]
        teacher.model.tokenizer  # type: ignore[arg-type]
    ):
        raise UserError(
            f"teacher {config.teacher} has another tokenizer than {config.student.folder}; both "
            "read the same rows, so take a student with the teacher's tokenizer"
        )
    widths = teacher.width, student.vectors.width(shape.hidden_size)
    if widths[0] != widths[1] and config.loss.uses("vector_cosine"):
        raise UserError(
            f"the vectors of teacher {config.teacher} have {widths[0]} numbers, the student's "
            f"{widths[1]}; set config.loss.vector_cosine=0 and config.loss.similarity_mse=1, which "
            "compares across widths"
        )


def layout(spec: StepSpec, tree: Any) -> Any:
    """Stacked layers for a compiled loop over them, separate layers for a program without one.

    `tree` is of parameters, or a state that holds some.
    """
    return stack(tree) if spec.student.scan else unstack(tree)


def put_on_devices(
    models: Models, spec: StepSpec, devices: Devices, precision: Precision
) -> tuple[Constants, Params]:
    """What the step reads of the teacher, and the student's first parameters, in their types."""
    teacher = {}
    if models.teacher is not None:
        teacher = layout(spec, cast(models.teacher.params, precision.teacher))
    targets = devices.replicate(teacher)
    own = with_projections(
        models.params,
        spec.objectives,
        spec.student.config,
        spec.targets.config,
        jax.random.key(spec.seed),
    )
    params = devices.replicate(layout(spec, cast(own, precision.parameters)))
    return Constants(targets), params


def _derive(config: Config, teacher: Pretrained) -> tuple[EncoderConfig, Params, tuple[int, ...]]:
    try:
        layers = parse_layers(config.student.layers, teacher.config.layers)
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
