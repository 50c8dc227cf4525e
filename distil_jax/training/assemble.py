"""From a config to what a run is made of; checks everything that can be checked before writing."""

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from distil_jax.configuration.schema import Config
from distil_jax.data.masking import Masking, frequency_weights
from distil_jax.data.store import Split, token_counts
from distil_jax.errors import UserError
from distil_jax.models import (
    EncoderConfig,
    MaskedLM,
    choose_layers,
    initialize,
    student_from_teacher,
    student_shape,
)
from distil_jax.models.types import Params
from distil_jax.objectives import active
from distil_jax.pretrained import Pretrained, load
from distil_jax.tokenizer import fingerprint, special_ids
from distil_jax.tokenizer import load as load_tokenizer
from distil_jax.training import optimizer, weights
from distil_jax.training.forward import LanguageModel
from distil_jax.training.parallel import Shares
from distil_jax.training.step import StepSpec
from distil_jax.training.targets import LiveTeacher, NoTargets

PADDED_TO = (8, 16, 32, 64, 128, 256, 512)
"""Vocabularies are often padded to a multiple of one of these; their last ids are never used."""


@dataclass(frozen=True)
class Models:
    """Teacher and student at the start of a run.

    Attributes:
      teacher: None when the student is pretrained from text alone.
      layers: the teacher layers the student starts from; empty if it does not.
    """

    teacher: Pretrained | None
    student: EncoderConfig
    params: Params
    tokenizer: Any
    layers: tuple[int, ...]


def models(config: Config) -> Models:
    """Load the teacher, and derive or load the student."""
    teacher = load(config.teacher, require_head="masked_lm") if config.teacher else None
    tokenizer = _tokenizer(config, teacher)
    layers: tuple[int, ...] = ()
    if config.student.folder:
        student = load(config.student.folder, require_head="masked_lm")
        shape, params = student.config, student.params
    elif teacher is None:
        shape = architecture(config, len(tokenizer), pad_token=special_ids(tokenizer).pad)
        params = initialize(shape, jax.random.key(config.seed))
    else:
        shape, params, layers = _derive(config, teacher)
    if teacher is not None:
        check_pair(config, teacher.config, shape)
    _check_vocabulary(config, tokenizer, shape)
    return Models(teacher, with_dropout(config, shape), params, tokenizer, layers)


def with_dropout(config: Config, shape: EncoderConfig) -> EncoderConfig:
    """The student's shape with the config's dropout."""
    return dataclasses.replace(
        shape,
        dropout=config.student.dropout,
        attention_dropout=config.student.attention_dropout,
    )


def distillation(
    config: Config, made: Models, data: Split, shares: Shares, *, total_steps: int | None = None
) -> StepSpec:
    """The compiled step's constants; the config's own number of steps unless another is given."""
    return constants(
        config,
        student=made.student,
        teacher=None if made.teacher is None else made.teacher.config,
        masking=masking(config, made, data),
        total_steps=steps(config, data) if total_steps is None else total_steps,
        shares=shares,
    )


def constants(
    config: Config,
    *,
    student: EncoderConfig,
    teacher: EncoderConfig | None,
    masking: Masking,
    total_steps: int,
    shares: Shares,
    accelerator: bool | None = None,
) -> StepSpec:
    """The step's constants from shapes alone: no weights, no rows, no device need be there."""
    language_model = partial(_language_model, config, accelerator)
    return StepSpec(
        student=language_model(student, config.precision.compute),
        targets=NoTargets()
        if teacher is None
        else LiveTeacher(language_model(teacher, config.precision.teacher)),
        objectives=active(config.loss),
        loss=config.loss,
        weights=weights.by_step(config.loss, total_steps),
        freeze=config.student.freeze,
        masking=masking,
        clip=config.optimizer.clip,
        optimizer=optimizer.make(config.optimizer, total_steps, freeze=config.student.freeze),
        schedule=optimizer.schedule(config.optimizer, total_steps),
        seed=config.seed,
        micro_batches=shares.micro_batches,
        matmul_dtype=config.precision.compute,
    )


def _language_model(
    config: Config, accelerator: bool | None, shape: EncoderConfig, dtype: str
) -> LanguageModel:
    return LanguageModel(module(config, shape, dtype, accelerator=accelerator))


def module(
    config: Config, shape: EncoderConfig, dtype: str, *, accelerator: bool | None = None
) -> MaskedLM:
    """The model computed the way the config says, on an accelerator or not; None: as it is here."""
    if accelerator is None:
        accelerator = jax.default_backend() != "cpu"
    scan = {"on": True, "off": False, "auto": accelerator}
    return MaskedLM(
        shape,
        scan=scan[config.parallel.scan_layers],
        dtype=jnp.dtype(dtype),
        rematerialise=config.parallel.remat,  # type: ignore[arg-type]
    )


def masking(config: Config, made: Models, data: Split) -> Masking:
    """How this run masks."""
    special = special_ids(made.tokenizer)
    weights = None
    if config.masking.frequency_power:
        counts = np.zeros(made.student.vocabulary, np.int64)
        seen = token_counts(data.folder)
        counts[: len(seen)] = seen
        weights = frequency_weights(counts, config.masking.frequency_power)
    return Masking(
        vocabulary=len(made.tokenizer),
        special=special.every,
        mask_token=special.mask,
        percent=config.masking.percent,
        mask_percent=config.masking.mask_percent,
        random_percent=config.masking.random_percent,
        weights=weights,
    )


def steps(config: Config, data: Split) -> int:
    """Optimizer steps of the whole run."""
    if config.total_steps:
        return config.total_steps
    return max(1, round(config.epochs * data.rows / config.batch.size))


def cast(params: Params, dtype: str) -> Params:
    """Parameters in the type they are kept in."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.dtype(dtype)), params)


def check_data(config: Config, made: Models, data: Split, key: str) -> None:
    """Refuse rows that another tokenizer made or that the models have no positions for."""
    folder = getattr(config.data, key) or config.data.train
    if data.manifest.tokenizer != fingerprint(made.tokenizer):
        raise UserError(
            f"config.data.{key}={folder} was prepared with another tokenizer "
            f"({data.manifest.vocabulary} tokens) than that of "
            f"{config.tokenizer or config.teacher or config.student.folder} "
            f"({len(made.tokenizer)} tokens); prepare it again with --tokenizer= that folder"
        )
    check_length(made, data.length, f"config.data.{key}={folder} has rows of")


def check_length(made: Models, length: int, what: str) -> None:
    """Refuse rows longer than the positions of teacher or student."""
    shapes = [made.student] + ([] if made.teacher is None else [made.teacher.config])
    most = min(shape.positions for shape in shapes)
    if length > most:
        raise UserError(
            f"{what} {length} tokens, but the models have {most} positions; use at most {most}"
        )


def parse_layers(text: str, teacher_layers: int) -> tuple[int, ...]:
    """config.student.layers: a rule, a number of evenly spaced layers, or a list of layers."""
    plain = text.strip().strip("()[]").strip().rstrip(",")
    if not plain.replace(",", "").replace(" ", "").isdecimal():
        return choose_layers(teacher_layers, text.strip())
    parts = plain.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise UserError(f"{text!r} is no list of layers; write one as 0,2,4")
    numbers = [int(part) for part in parts]
    if len(numbers) > 1 or "," in text or text.strip()[0] in "([":
        return choose_layers(teacher_layers, numbers)
    if not numbers[0]:
        raise UserError(
            "a student of 0 layers is none; give 1 or more, or 0, for the layer 0 alone"
        )
    return choose_layers(teacher_layers, "evenly_spaced", numbers[0])


def architecture(config: Config, vocabulary: int, *, pad_token: int) -> EncoderConfig:
    """The shape of a model made from nothing."""
    shape = config.student.architecture
    return EncoderConfig(
        model_type="bert",
        vocabulary=vocabulary,
        hidden_size=shape.hidden_size,
        layers=shape.layers,
        heads=shape.heads,
        mlp_size=shape.mlp_size,
        positions=shape.positions,
        token_types=shape.token_types,
        pad_token=pad_token,
    )


def check_pair(config: Config, teacher: EncoderConfig, student: EncoderConfig) -> None:
    """Refuse a teacher and a student that an objective cannot hold against each other."""
    name = config.student.folder or "the student"
    needing = {
        field: [one.name for one in active(config.loss) if field in one.same]
        for field in ("vocabulary", "hidden_size")
    }
    if teacher.vocabulary != student.vocabulary and (names := needing["vocabulary"]):
        raise UserError(
            f"teacher {config.teacher} has a vocabulary of {teacher.vocabulary} tokens and {name} "
            f"one of {student.vocabulary}; {' and '.join(names)} need the same"
        )
    if teacher.hidden_size != student.hidden_size and (names := needing["hidden_size"]):
        keys = " and ".join(f"config.loss.{name}=0" for name in names)
        raise UserError(
            f"teacher {config.teacher} is {teacher.hidden_size} wide and {name} "
            f"{student.hidden_size}; set {keys}, or use the same width"
        )


def _derive(config: Config, teacher: Pretrained) -> tuple[EncoderConfig, Params, tuple[int, ...]]:
    try:
        layers = parse_layers(config.student.layers, teacher.config.layers)
    except UserError as error:
        raise UserError(f"config.student.layers={config.student.layers!r}: {error}") from error
    key = jax.random.key(config.seed)
    if config.student.initialize == "random":
        shape = student_shape(
            teacher.config, len(layers), keep_token_types=config.student.keep_token_types
        )
        return shape, initialize(shape, key), ()
    shape, params = student_from_teacher(
        teacher.config,
        teacher.params,
        layers,
        fold_token_types=config.student.fold_token_types,
        keep_token_types=config.student.keep_token_types,
        copy_head=config.student.copy_head,
        key=key,
    )
    return shape, params, layers


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


def _check_vocabulary(config: Config, tokenizer: Any, shape: EncoderConfig) -> None:
    size, vocabulary = len(tokenizer), shape.vocabulary
    if vocabulary != size and vocabulary not in [-(-size // unit) * unit for unit in PADDED_TO]:
        raise UserError(
            f"the tokenizer of {config.tokenizer or config.teacher or config.student.folder} has "
            f"{size} tokens, but {config.teacher or config.student.folder} has a vocabulary of "
            f"{vocabulary}; set config.tokenizer to the tokenizer this model was trained with"
        )
