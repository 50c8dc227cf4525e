"""The very step of a config, lowered for devices that need not be there.

`assemble.step_spec` and `train_step` are what a run uses; state, teacher and batch are shapes only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array

from distil_jax.configuration.schema import Config
from distil_jax.data.masking import Masking, frequency_weights
from distil_jax.data.next_tokens import NextTokens
from distil_jax.models import EncoderConfig, initialize
from distil_jax.models.vector_config import NORMALIZE, VectorConfig
from distil_jax.planning.model_shapes import ModelShapes
from distil_jax.target_store import Column
from distil_jax.training import assemble
from distil_jax.training.parallel import AXIS, Devices, shares_of
from distil_jax.training.projections import with_projections
from distil_jax.training.step import Constants, StepSpec, initial_state, train_step
from distil_jax.training.student import with_dropout
from distil_jax.training.targets import TargetSource, shapes_of

SPECIAL = 5
"""Special tokens of BERT and RoBERTa alike; which ids they have changes no cost."""


@dataclass(frozen=True)
class StepProgram:
    """One optimizer step without values.

    Attributes:
      spec: the step's constants.
      body: the step itself; only a comparison has another than `train_step`.
      state, constants, batch: trees of `jax.ShapeDtypeStruct`, placed on `devices`.
    """

    spec: StepSpec
    devices: Devices
    state: Any
    constants: Constants
    batch: Any
    body: Callable[..., Any] = train_step

    @property
    def micro_rows(self) -> int:
        """Rows that a device computes at one time."""
        rows = self.batch["tokens"].shape[0]
        return rows // self.devices.count // self.spec.micro_batches

    def trace(self) -> Any:
        """The `jax.stages.Traced` of exactly what `main` calls in its loop."""
        step: Any = self.devices.map(partial(self.body, self.spec), donate=True)
        return step.trace(self.state, self.constants, self.batch)

    def lower(self) -> Any:
        """The `jax.stages.Lowered` of it."""
        return self.trace().lower()


def step_program(
    config: Config,
    models: ModelShapes,
    devices: Devices,
    *,
    length: int,
    total_steps: int,
    platform: str | None = None,
) -> StepProgram:
    """The step of `config` over rows of `length` tokens; raises `UserError` for a bad division.

    `platform`: what it is made for, where that is not the devices'.
    """
    batch_shares = shares_of(config, devices.count)
    sentences = _sentences(config, length, models.teacher)
    platform = platform or devices.devices[0].platform
    spec = assemble.step_spec(
        config,
        student=with_dropout(config, models.student),
        targets=_source(config, models, sentences, platform),
        masking=None if sentences else _labelling(config, models.student),
        total_steps=total_steps,
        shares=batch_shares,
        sentences=sentences,
        platform=platform,
    )
    if config.student.vocabulary:
        spec = assemble.with_smaller_vocabulary(spec, SPECIAL - 2)
    params = params_of(models.student, config.precision.parameters, spec)
    trees = tuple(params_of(shape, config.precision.teacher) for shape, _ in models.teachers)
    teacher: Any = _arrays(models) if not trees else trees[0] if len(trees) == 1 else trees
    return StepProgram(
        spec,
        devices,
        state=_placed(
            jax.eval_shape(partial(initial_state, spec.optimizer), params), devices.replicated
        ),
        constants=Constants(_placed(teacher, devices.replicated)),
        batch=_batch(config.batch.size, length, models.columns, devices),
    )


def _source(
    config: Config,
    models: ModelShapes,
    sentences: assemble.SentenceShapes | None,
    platform: str,
) -> TargetSource:
    if models.stored is not None:
        return models.stored
    return assemble.live_targets(
        config,
        [assemble.TeacherShape(shape, weight) for shape, weight in models.teachers],
        models.student,
        sentences=sentences,
        platform=platform,
    )


def _arrays(models: ModelShapes) -> dict[str, jax.ShapeDtypeStruct]:
    """What stored targets need besides the batch: which tokens their teacher has."""
    if models.stored is None or models.stored.whole:
        return {}
    return {"known": jax.ShapeDtypeStruct((models.student.vocabulary,), jnp.bool_)}


def params_of(shape: EncoderConfig, dtype: str, spec: StepSpec | None = None) -> Any:
    """A model's parameters as shapes; with a spec, those of its student and its objectives."""

    def drawn(key: Array) -> Any:
        params = initialize(shape, key)
        if spec is None:
            return params
        shapes = shapes_of(spec.targets, spec.objectives)
        return with_projections(params, spec.objectives, shape, spec.targets.config, key, shapes)

    params = jax.eval_shape(drawn, jax.random.key(0))
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, jnp.dtype(dtype)), params)


def _labelling(config: Config, student: EncoderConfig) -> Masking | NextTokens:
    """What a run of this student has."""
    return NextTokens() if student.block.causal else _masking(config, student.vocabulary)


def _sentences(
    config: Config, length: int, teacher: EncoderConfig | None
) -> assemble.SentenceShapes | None:
    """The usual mean of the tokens, whatever the models' folders say: vectors as wide as these."""
    if not config.loss.of_vectors:
        return None
    vectors = VectorConfig(("mean",), (NORMALIZE,), length)
    count = max(1, length // config.data.shortest_tokens)
    if teacher is None:
        return assemble.SentenceShapes(vectors, None, count)
    return assemble.SentenceShapes(vectors, vectors, count, teacher.hidden_size)


def _masking(config: Config, vocabulary: int) -> Masking:
    """The run's masking with an invented tokenizer, and token counts that fall like 1 / rank."""
    weights = None
    if config.masking.frequency_power:
        counts = 1e6 / np.arange(1, vocabulary + 1)
        weights = frequency_weights(counts, config.masking.frequency_power)
    return Masking(
        vocabulary=vocabulary,
        special=tuple(range(SPECIAL)),
        mask_token=SPECIAL - 1,
        percent=config.masking.percent,
        mask_percent=config.masking.mask_percent,
        random_percent=config.masking.random_percent,
        weights=weights,
    )


def _batch(
    rows: int, length: int, columns: Sequence[Column], devices: Devices
) -> dict[str, jax.ShapeDtypeStruct]:
    sharding = NamedSharding(devices.mesh, PartitionSpec(AXIS))
    shapes = {
        "tokens": (rows, length),
        "segments": (rows, length),
        "epoch": (rows,),
        "row": (rows,),
    }
    own = {
        name: jax.ShapeDtypeStruct(shape, jnp.int32, sharding=sharding)
        for name, shape in shapes.items()
    }
    stored = {
        each.name: jax.ShapeDtypeStruct(
            (rows, *each.shape), jnp.dtype(each.dtype), sharding=sharding
        )
        for each in columns
    }
    return own | stored


def _placed(tree: Any, sharding: NamedSharding) -> Any:
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree
    )
