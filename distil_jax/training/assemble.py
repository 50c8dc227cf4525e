"""The compiled step's constants, put together from a config and shapes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp

from distil_jax.configuration.schema import Config
from distil_jax.data.masking import Masking
from distil_jax.data.next_tokens import NextTokens
from distil_jax.losses.chunks import most_tokens
from distil_jax.models import Encoder, EncoderConfig, MaskedLM
from distil_jax.models.types import Params
from distil_jax.models.vector_config import VectorConfig
from distil_jax.objectives import Objective, active
from distil_jax.training import loss_weights, optimizer
from distil_jax.training.attention_choice import uses_kernels
from distil_jax.training.forward import (
    AveragedModels,
    LanguageModel,
    Model,
    OtherVocabulary,
    SentenceEncoder,
)
from distil_jax.training.parallel import Shares
from distil_jax.training.quantised import first_quantised_step
from distil_jax.training.step import StepSpec
from distil_jax.training.student import chosen_teachers
from distil_jax.training.targets import LiveTeacher, LiveTeachers, NoTargets, TargetSource

MOST_UNROLLED = 12
"""With more layers, `parallel.scan_layers=auto` keeps them in a loop on GPUs."""


@dataclass(frozen=True)
class SentenceShapes:
    """How student and teacher make vectors, and the most sentences of a row.

    Attributes:
      teacher_width: of its vectors; 0 where there is none.
    """

    student: VectorConfig
    teacher: VectorConfig | None
    count: int
    teacher_width: int = 0


def step_spec(
    config: Config,
    *,
    student: EncoderConfig,
    masking: NextTokens | Masking | None,
    total_steps: int,
    shares: Shares,
    targets: TargetSource,
    sentences: SentenceShapes | None = None,
    platform: str | None = None,
) -> StepSpec:
    """The step's constants from shapes alone: no weights, no rows, no device need be there.

    With `sentences` the models make vectors; else they predict masked tokens.
    """
    make: Callable[..., Model] = partial(_language_model, config, platform)
    if sentences is not None:
        make = partial(_sentence_model, config, platform, sentences.student, sentences.count)
    platform = jax.default_backend() if platform is None else platform
    chunk = most_tokens(config.loss.chunk, student.vocabulary, platform)
    return StepSpec(
        student=make(student, config.precision.compute),
        targets=targets,
        objectives=_objectives(config, student, sentences),
        loss=replace(config.loss, chunk=chunk),
        weights=loss_weights.by_step(config.loss, total_steps),
        freeze=config.student.freeze,
        masking=masking,
        clip=config.optimizer.clip,
        optimizer=optimizer.make(config.optimizer, total_steps, freeze=config.student.freeze),
        schedule=optimizer.schedule(config.optimizer, total_steps),
        seed=config.seed,
        micro_batches=shares.micro_batches,
        matmul_dtype=config.precision.compute,
        quantised_from=first_quantised_step(config.student.quantize_from, total_steps),
    )


def _objectives(
    config: Config, student: EncoderConfig, sentences: SentenceShapes | None
) -> tuple[Objective, ...]:
    if sentences is None or not sentences.teacher_width:
        return active(config.loss)
    widths = sentences.student.width(student.hidden_size), sentences.teacher_width
    return tuple(one.for_vectors(*widths) for one in active(config.loss))


def with_smaller_vocabulary(spec: StepSpec, rest: int) -> StepSpec:
    """The same step where the student's tokens are the first of the teacher's.

    Token `rest` stands for the teacher's others.
    """
    assert isinstance(spec.targets, LiveTeacher)
    size = spec.student.config.vocabulary
    return replace(spec, targets=replace(spec.targets, vocabulary=size, rest=rest))


@dataclass(frozen=True)
class TeacherShape:
    """A teacher before its weights.

    Attributes:
      translated: it has another vocabulary than the student.
      whole: whether it has all of the student's tokens.
    """

    config: EncoderConfig
    weight: float = 1.0
    translated: bool = False
    whole: bool = True


def live_targets(
    config: Config,
    teachers: Sequence[TeacherShape],
    student: EncoderConfig,
    *,
    sentences: SentenceShapes | None = None,
    platform: str | None = None,
) -> TargetSource:
    """The source that these teachers are; without any, none."""
    if sentences is not None and sentences.teacher is not None:
        make = partial(_sentence_model, config, platform, sentences.teacher, sentences.count)
        models: list[Model] = [make(one.config, config.precision.teacher) for one in teachers]
    else:
        models = [_teacher(config, one, student, platform) for one in teachers]
    if not models:
        return NoTargets()
    if len(models) == 1:
        return LiveTeacher(models[0])
    weights = tuple(one.weight for one in teachers)
    return LiveTeachers(AveragedModels(tuple(models), weights, chosen_teachers(config)))


def _teacher(
    config: Config, teacher: TeacherShape, student: EncoderConfig, platform: str | None
) -> Model:
    dtype = config.precision.teacher
    model = LanguageModel(module(config, teacher.config, dtype, platform=platform))
    if not teacher.translated:
        return model
    return OtherVocabulary(model, student.vocabulary, teacher.whole)


def _language_model(
    config: Config, platform: str | None, shape: EncoderConfig, dtype: str
) -> LanguageModel:
    return LanguageModel(module(config, shape, dtype, platform=platform))


def _sentence_model(
    config: Config,
    platform: str | None,
    vectors: VectorConfig,
    count: int,
    shape: EncoderConfig,
    dtype: str,
) -> SentenceEncoder:
    whole = module(config, shape, dtype, platform=platform)
    encoder = Encoder(shape, whole.scan, whole.dtype, whole.rematerialise, whole.kernels)
    return SentenceEncoder(encoder, vectors, count)


def module(
    config: Config, shape: EncoderConfig, dtype: str, *, platform: str | None = None
) -> MaskedLM:
    """The model computed the way the config says, on a platform of JAX; None: on the one here."""
    here = platform is None
    platform = jax.default_backend() if platform is None else platform
    scan = {"on": True, "off": False, "auto": _is_better_looped(platform, shape.layers)}
    return MaskedLM(
        shape,
        scan=scan[config.parallel.scan_layers],
        dtype=jnp.dtype(dtype),
        rematerialise=config.parallel.remat,  # type: ignore[arg-type]
        kernels=uses_kernels(
            config.parallel.attention,
            shape,
            config.batch.length,
            dtype,
            accelerator=platform != "cpu",
            here=here,
        ),
    )


def _is_better_looped(platform: str, layers: int) -> bool:
    """Whether layers are one compiled loop by `auto` (docs/performance.md has the counts).

    A CPU gains nothing by it. On a GPU saved activations are copied into and out of the loop's
    stack, half as much traffic again; but a deep model takes long to compile without it. On a TPU
    the traffic is nearly the same.
    """
    return platform != "cpu" and (platform == "tpu" or layers > MOST_UNROLLED)


def cast(params: Params, dtype: str) -> Params:
    """Parameters in the type they are kept in."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.dtype(dtype)), params)
