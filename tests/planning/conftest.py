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

TPU_MATMUL = """HloModule jit_f

%fused_computation (a: bf16[32,512,12,64], b: bf16[32,512,12,64]) -> f32[32,12,512,512] {
  %a = bf16[32,512,12,64]{3,1,2,0:T(8,128)(2,1)} parameter(0)
  %b = bf16[32,512,12,64]{3,1,2,0:T(8,128)(2,1)} parameter(1)
  ROOT %convolution.1 = f32[32,12,512,512]{2,3,1,0:T(8,128)} convolution(%a, %b), \
window={size=32x12 stride=31x11 lhs_dilate=32x12}, dim_labels=0b1f_0o1i->01bf
}

ENTRY %main (x: bf16[32,512,12,64], y: bf16[32,512,12,64]) -> f32[32,12,512,512] {
  %x = bf16[32,512,12,64]{3,1,2,0:T(8,128)(2,1)} parameter(0)
  %y = bf16[32,512,12,64]{3,1,2,0:T(8,128)(2,1)S(1)} parameter(1)
  ROOT %fusion = f32[32,12,512,512]{2,3,1,0:T(8,128)} fusion(%x, %y), kind=kOutput, \
calls=%fused_computation
}
"""


@pytest.fixture
def tpu_matmul() -> str:
    """A TPU's text of a batched matmul: attention scores, one operand in fast memory."""
    return TPU_MATMUL


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
