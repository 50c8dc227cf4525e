"""The step on the TPU's own compiler, where libtpu is installed: one topology, a small program.

`benchmarks/plans.py` and `benchmarks/tpu_program.py` do the same with the real sizes.
"""

import dataclasses

import pytest

from distil_jax.configuration import source as config_source
from distil_jax.planning import compiler, hlo, hlo_counts, plan_cache, tpu_compiler
from distil_jax.planning.flops import config_flops
from distil_jax.planning.model_shapes import model_shapes
from distil_jax.planning.run_plan import Workload, plan_run, program, workload_of
from distil_jax.planning.topologies import find

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not tpu_compiler.is_installed(),
        reason="the TPU compiler is not installed (pip install -e '.[tpu]')",
    ),
]
TOPOLOGY = "v5e-4"
KEYS = ["--config.batch.size=64", "--config.batch.micro_size=8"]


@pytest.fixture(scope="module")
def plan():
    config = config_source.read("tpu_v4", KEYS)
    return plan_run(
        config, model_shapes(config), find(TOPOLOGY), workload_of(config, None), search=False
    )


def test_the_paper_s_step_compiles_and_fits(plan) -> None:
    assert plan.compiled
    assert plan.fits
    assert plan.measured.memory.total < plan.topology.chip.hbm_bytes


def test_matmuls_are_at_most_five_percent_above_the_minimum(plan) -> None:
    assert 1.0 <= plan.measured.flops / plan.minimum_flops <= 1.05


def test_the_gradient_is_summed_once_outside_of_the_loops(plan) -> None:
    collectives = plan.measured.collectives
    assert {each.operation for each in collectives} == {"all-reduce"}
    assert not any(each.in_loop for each in collectives)
    assert plan.config.student.freeze == "positions"
    frozen = 4 * plan.models.student.positions * plan.models.student.hidden_size
    trained = plan.measured.memory.student - frozen
    assert trained <= sum(each.bytes * each.times for each in collectives) < trained + 1000


def test_no_array_has_the_vocabulary_and_more_rows_than_two_chunks() -> None:
    config = config_source.read("tpu_v4", [*KEYS, "--config.loss.chunk=256"])
    models = model_shapes(config)
    prime = 30529
    models = dataclasses.replace(
        models,
        teacher=dataclasses.replace(models.teacher, vocabulary=prime, layers=2),
        student=dataclasses.replace(models.student, vocabulary=prime, layers=1),
    )
    step = program(config, models, compiler.devices(find(TOPOLOGY), "jit"), Workload(512, 10))
    parsed = hlo.parse(step.lower().compile().as_text())
    rows = {
        shape.elements // prime
        for shape in hlo_counts.arrays(parsed)
        if prime in shape.dimensions and not _is_table(shape, models.student.hidden_size)
    }
    assert 256 in rows
    assert max(rows) <= 2 * 256


def _is_table(shape: hlo.ArrayShape, width: int) -> bool:
    return width in shape.dimensions


def test_the_minimum_counts_no_recomputation(plan) -> None:
    config = plan.config
    assert config.parallel.remat == "attention"
    rows = plan.shares.device_rows * plan.workload.length
    counted = config_flops(
        config, plan.models.teacher, plan.models.student, length=plan.workload.length
    )
    assert plan.minimum_flops == counted.total * rows


def test_the_figures_are_kept(plan) -> None:
    key = plan_cache.key_of(plan.config, plan.models, TOPOLOGY, plan.workload.length)

    def refuse():
        raise AssertionError("compiled again")

    assert plan_cache.cached(key, refuse) == plan.measured
