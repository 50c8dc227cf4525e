"""Tiny shapes, and the compiled CPU program of a whole step on eight simulated devices."""

from collections.abc import Callable
from typing import Any

import pytest

from distil_jax.configuration import source as config_source
from distil_jax.configuration.schema import Config
from distil_jax.models import student_shape
from distil_jax.planning.model_shapes import ModelShapes
from distil_jax.planning.step_program import StepProgram, step_program
from distil_jax.pretrained.families import make_config
from distil_jax.training import parallel

LENGTH = 24  # unlike any width: activations are distinguished from parameters by their shapes
PRIME_VOCABULARY = 1009


@pytest.fixture(scope="session")
def tiny_models() -> ModelShapes:
    """A teacher and a student of two layers each, with a prime vocabulary."""
    teacher = make_config(
        "bert", PRIME_VOCABULARY, hidden_size=32, layers=2, heads=4, mlp_size=64, positions=64
    )
    return ModelShapes(teacher, student_shape(teacher, 2))


@pytest.fixture(scope="session")
def tiny_config() -> Callable[..., Config]:
    """The base config with few rows; keys as on the command line."""

    def config(**changes: Any) -> Config:
        values = {"batch.size": 32, "batch.micro_size": 2, "loss.chunk": 16} | changes
        return config_source.read("base", [f"--config.{k}={v}" for k, v in values.items()])

    return config


@pytest.fixture(scope="session")
def tiny_program(
    tiny_models: ModelShapes, tiny_config: Callable[..., Config]
) -> Callable[..., StepProgram]:
    """The step of a tiny config over eight CPU devices: `tiny_program(**{"loss.chunk": 8})`."""

    def program(**changes: Any) -> StepProgram:
        config = tiny_config(**changes)
        devices = parallel.devices(config.parallel)
        return step_program(config, tiny_models, devices, length=LENGTH, total_steps=10)

    return program
