"""Steps of tiny models for the tests of this folder."""

from typing import Any

import jax.numpy as jnp
import optax

from distil_jax.configuration.loss import Loss
from distil_jax.data.masking import Masking
from distil_jax.models import EncoderConfig, MaskedLM
from distil_jax.objectives import active
from distil_jax.training import loss_weights
from distil_jax.training.forward import LanguageModel
from distil_jax.training.step import StepSpec
from distil_jax.training.targets import LiveTeacher, NoTargets

MASKING = Masking(97, (0, 1, 2, 3, 4), 4, 15, 80, 10)


def model(shape: EncoderConfig, dtype: str = "float32", *, scan: bool = False) -> LanguageModel:
    return LanguageModel(MaskedLM(shape, scan=scan, dtype=jnp.dtype(dtype)))


def step_spec(
    student: EncoderConfig,
    teacher: EncoderConfig | None,
    loss: Loss,
    /,
    *,
    dtype: str = "float32",
    scan: bool = False,
    **changes: Any,
) -> StepSpec:
    """SGD over rows of 97 tokens' vocabulary, undivided, unless `changes` say otherwise."""
    other = None if teacher is None else model(teacher, dtype, scan=scan)
    values: dict[str, Any] = {
        "student": model(student, dtype, scan=scan),
        "targets": NoTargets() if other is None else LiveTeacher(other),
        "objectives": active(loss),
        "loss": loss,
        "weights": loss_weights.by_step(loss, 200),
        "masking": MASKING,
        "freeze": "none",
        "clip": 0.0,
        "optimizer": optax.sgd(0.1),
        "schedule": optax.constant_schedule(0.1),
        "seed": 0,
        "micro_batches": 1,
        "matmul_dtype": dtype,
    }
    return StepSpec(**values | changes)
