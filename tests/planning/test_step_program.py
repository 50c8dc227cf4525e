"""The compiled step itself: what it may hold, sum and compute, on the CPU's compiler."""

import dataclasses
from collections.abc import Callable

import jax
import numpy as np
import pytest

from distil_jax.configuration.schema import Config
from distil_jax.models import initialize
from distil_jax.models.block import Block
from distil_jax.planning import hlo, hlo_counts
from distil_jax.planning.flops import training_flops
from distil_jax.planning.measure import tree_bytes
from distil_jax.planning.model_shapes import ModelShapes
from distil_jax.planning.step_program import StepProgram, step_program
from distil_jax.training import parallel
from distil_jax.training.step import initial_state


@pytest.fixture(scope="module")
def parsed(tiny_program: Callable[..., StepProgram]) -> tuple[StepProgram, hlo.Program]:
    program = tiny_program()
    return program, hlo.parse(program.lower().compile().as_text())


def said_flops(program: StepProgram, models: ModelShapes, **changes) -> float:
    """Of collective device's step, counted from the shapes."""
    tokens = program.batch["tokens"]
    figures = {"teacher_logits": True, "teacher_hidden": True, "decoded_share": 1.0} | changes
    counted = training_flops(models.teacher, models.student, length=tokens.shape[1], **figures)
    return counted.total * (tokens.size // program.devices.count)


def test_no_array_has_the_vocabulary_and_more_rows_than_two_chunks(parsed) -> None:
    program, compiled = parsed
    vocabulary, chunk = program.spec.student.config.vocabulary, program.spec.loss.chunk
    tables = {leaf.shape for leaf in jax.tree.leaves((program.state, program.constants))}
    tables |= {shape[::-1] for shape in tables}
    wide = {
        shape.dimensions
        for shape in hlo_counts.arrays(compiled)
        if vocabulary in shape.dimensions and shape.dimensions not in tables
    }
    assert any(chunk in dimensions for dimensions in wide), "no logits at all: nothing was tested"
    rows = {dimensions: int(np.prod(dimensions)) // vocabulary for dimensions in wide}
    # The masking draws with one weight per token id for each row: none without weights.
    assert all(count <= 2 * chunk for count in rows.values()), rows


def test_the_gradient_is_summed_once_and_outside_of_every_loop(parsed) -> None:
    program, compiled = parsed
    # Micro-batches, and chunks of tokens inside of each: both turn more than once on a device.
    assert program.spec.micro_batches > 1
    turns = {compiled.times[name] for name in compiled.in_loops}
    assert max(turns) > min(turns) > 1
    collectives = hlo_counts.collectives(compiled)
    assert {collective.operation for collective in collectives} == {"all-reduce"}
    assert not any(collective.in_loop for collective in collectives)
    assert all(collective.times == 1 for collective in collectives)
    parameters = tree_bytes(program.state.params)
    # Beside the gradient a dozen counts and sums of losses.
    assert parameters <= sum(collective.bytes for collective in collectives) < parameters + 200


def test_products_are_the_counted_minimum(parsed, tiny_models) -> None:
    program, compiled = parsed
    assert hlo_counts.matmul_flops(compiled) == pytest.approx(
        said_flops(program, tiny_models), rel=0.01
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"student.freeze": "embeddings"}, {"frozen_embeddings": True}),
        ({"loss.soft_target": 0, "loss.cosine": 0, "loss.logit_mse": 1}, {"teacher_hidden": False}),
    ],
)
def test_other_losses_and_frozen_embeddings_cost_what_is_said_of_them(
    changes, said, tiny_program: Callable[..., StepProgram], tiny_models
) -> None:
    program = tiny_program(**changes)
    counted = hlo_counts.matmul_flops(hlo.parse(program.lower().compile().as_text()))
    assert counted == pytest.approx(said_flops(program, tiny_models, **said), rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["attention", "layer"])
def test_recomputation_costs_what_is_said_of_it(
    kind, tiny_program: Callable[..., StepProgram], tiny_models
) -> None:
    program = tiny_program(**{"parallel.remat": kind, "parallel.scan_layers": "on"})
    counted = hlo_counts.matmul_flops(hlo.parse(program.lower().compile().as_text()))
    said = said_flops(program, tiny_models, recomputed=kind)
    assert counted == pytest.approx(said, rel=0.02)


BLOCKS = {
    "gated": {"block": Block(gated=True)},
    "pre-norm": {"block": Block(norm="pre", gated=True, biases=False)},
    "pre-norm without the first": {"block": Block(norm="pre", first_norm=False)},
    "factorised": {"embedding_size": 16},
    "windows": {"block": Block(windows=(0, 4))},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("freeze", ["none", "embeddings"])
def test_other_blocks_cost_what_is_said_of_them(
    name, freeze, tiny_config: Callable[..., Config], tiny_models
) -> None:
    models = ModelShapes(
        dataclasses.replace(tiny_models.teacher, **BLOCKS[name]),
        dataclasses.replace(tiny_models.student, **BLOCKS[name]),
    )
    config = tiny_config(**{"student.freeze": freeze})
    devices = parallel.devices(config.parallel)
    program = step_program(config, models, devices, length=24, total_steps=10)
    counted = hlo_counts.matmul_flops(hlo.parse(program.lower().compile().as_text()))
    said = said_flops(program, models, frozen_embeddings=freeze == "embeddings")
    assert counted == pytest.approx(said, rel=0.01)


def test_it_is_the_very_program_that_a_run_compiles(
    parsed, tiny_models, tiny_config: Callable[..., Config]
) -> None:
    """A run's own arrays have exactly the shapes, types and places of the abstract ones."""
    program, _ = parsed
    run, devices = program.spec, program.devices
    params = devices.replicate(initialize(tiny_models.student, jax.random.key(0)))
    state = devices.replicate(initial_state(run.optimizer, params))
    batch = devices.split({n: np.zeros(leaf.shape, np.int32) for n, leaf in program.batch.items()})
    for real, abstract in ((state, program.state), (batch, program.batch)):
        modelss = zip(jax.tree.leaves(real), jax.tree.leaves(abstract), strict=True)
        for collective, other in modelss:
            assert (collective.shape, collective.dtype) == (other.shape, other.dtype)
            assert collective.sharding.is_equivalent_to(other.sharding, collective.ndim)
