"""What the compiler says of one step program: memory by kind, matmuls, traffic, collectives."""

import dataclasses
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp

from distil_jax.kernels.place import Place
from distil_jax.planning import hlo, hlo_counts
from distil_jax.planning.kernel_flops import kernel_flops
from distil_jax.planning.step_program import StepProgram
from distil_jax.planning.traffic_kinds import traffic_by_kind
from distil_jax.training.step import micro_batch_loss

UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}
FULL = "RESOURCE_EXHAUSTED"


@dataclass(frozen=True)
class Memory:
    """Bytes of one chip's memory by what holds them.

    Attributes:
      gradients: the float32 sums of a step.
      activations: what the forward pass of a micro-batch keeps for its backward pass.
      temporaries: all else that the compiler allocates, its program included.
    """

    teacher: float
    student: float
    optimizer: float
    batch: float
    gradients: float
    activations: float
    temporaries: float

    @property
    def total(self) -> float:
        return sum(dataclasses.astuple(self))

    @property
    def fixed(self) -> float:
        """What no smaller micro-batch saves."""
        return self.teacher + self.student + self.optimizer + self.batch + self.gradients


@dataclass(frozen=True)
class Measured:
    """One compiled step on one chip.

    Attributes:
      fits: into a chip's memory.
      flops: of its matmuls; this and all below are 0 where the compiler refused.
      traffic_bytes: between memory and chip, an upper estimate; `traffic` has it by kind.
      program_bytes: temporaries as the compiler counts them, activations and gradients included.
    """

    fits: bool
    memory: Memory
    flops: float
    traffic_bytes: float
    collectives: tuple[hlo_counts.Collective, ...]
    program_bytes: float
    compile_seconds: float
    traffic: Mapping[str, float] = field(default_factory=dict)


def measure(
    program: StepProgram, hbm_bytes: float, options: Mapping[str, str] | None = None
) -> Measured:
    """Compile `program` for chips of `hbm_bytes` and read what the compiler reports.

    `options` are the compiler's. The TPU's refuses a program for its temporaries alone, the GPU's
    none at all, so the sum is compared here.
    """
    started = time.perf_counter()
    try:
        traced = program.trace()
        compiled = traced.lower().compile(compiler_options=dict(options or {}))
    except jax.errors.JaxRuntimeError as error:
        if FULL not in str(error):
            raise
        return _too_large(program, str(error), time.perf_counter() - started)
    seconds = time.perf_counter() - started
    stats = compiled.memory_analysis()
    text = compiled.as_text()
    parsed = hlo.parse(text)
    traffic = traffic_by_kind(parsed, text)
    temporaries = float(stats.temp_size_in_bytes + stats.generated_code_size_in_bytes)
    memory = memory_by_kind(program, temporaries)
    return Measured(
        fits=memory.total <= hbm_bytes,
        memory=memory,
        flops=hlo_counts.matmul_flops(parsed) + kernel_flops(traced.jaxpr),
        traffic_bytes=sum(traffic.values()),
        collectives=hlo_counts.collectives(parsed),
        program_bytes=float(stats.temp_size_in_bytes),
        compile_seconds=seconds,
        traffic=traffic,
    )


def memory_by_kind(program: StepProgram, temporaries: float | None) -> Memory:
    """The compiler's `temporaries` divided by kind; None: what the shapes alone let expect."""
    gradients = 4.0 * sum(leaf.size for leaf in jax.tree.leaves(program.state.params))
    residuals = residual_bytes(program)
    known = gradients + residuals
    if temporaries is None:
        temporaries = known + chunk_bytes(program)
    gradients = min(gradients, temporaries)
    activations = min(residuals, temporaries - gradients)
    return Memory(
        teacher=tree_bytes(program.constants),
        student=tree_bytes(program.state.params),
        optimizer=tree_bytes(program.state.optimizer_state),
        batch=tree_bytes(program.batch) / program.devices.count,
        gradients=gradients,
        activations=activations,
        temporaries=temporaries - gradients - activations,
    )


def residual_bytes(program: StepProgram) -> float:
    """Bytes that a micro-batch's forward pass keeps for its backward pass, by JAX's own count."""
    spec = program.spec
    part = {
        name: jax.ShapeDtypeStruct((program.micro_rows, *leaf.shape[1:]), leaf.dtype)
        for name, leaf in program.batch.items()
        if name not in ("epoch", "row")
    }
    part["labels"] = part["tokens"]
    scalar = jax.ShapeDtypeStruct((), jnp.float32)
    scales = {objective.name: scalar for objective in spec.objectives}
    row = jax.ShapeDtypeStruct((program.micro_rows,), jnp.uint32)
    place = jax.eval_shape(Place.of, row)

    def backward(params: Any, constants: Any, part: Any, scales: Any, *others: Any) -> Any:
        def loss(params: Any) -> Any:
            return micro_batch_loss(spec, params, constants, part, scales, *others)[0]

        return jax.vjp(loss, params)[1]

    residuals = jax.eval_shape(
        backward, program.state.params, program.constants, part, scales, scalar, place
    )
    # Parameters, their casts and the gradient of a table are among these, not activations.
    weights = {leaf.shape for leaf in jax.tree.leaves((program.state.params, program.constants))}
    return float(
        sum(_bytes(leaf) for leaf in jax.tree.leaves(residuals) if leaf.shape not in weights)
    )


def chunk_bytes(program: StepProgram) -> float:
    """Logits of student and teacher and their gradient for one chunk, and an attention matrix."""
    spec = program.spec
    rows, length = program.micro_rows, program.batch["tokens"].shape[1]
    shapes = [shape for shape in (spec.student.config, spec.targets.config) if shape is not None]
    logits = 12.0 * min(spec.loss.chunk, rows * length) * spec.student.config.vocabulary
    return logits + max(8.0 * rows * shape.heads * length**2 for shape in shapes)


def tree_bytes(tree: Any) -> float:
    return float(sum(map(_bytes, jax.tree.leaves(tree))))


def _bytes(leaf: Any) -> int:
    return math.prod(leaf.shape) * leaf.dtype.itemsize


def read_refusal(message: str) -> float | None:
    """The bytes that the compiler says it would have needed."""
    match = re.search(r"\(([\d.]+)([KMGTP]?)\) exceeds", message) or re.search(
        r"Used ([\d.]+)([KMGTP]?) of", message
    )
    return float(match.group(1)) * UNITS[match.group(2)] if match else None


def _too_large(program: StepProgram, message: str, seconds: float) -> Measured:
    memory = memory_by_kind(program, read_refusal(message))
    return Measured(False, memory, 0.0, 0.0, (), memory.total, seconds)
