"""The step on the TPU's own compiler, where libtpu is installed: one topology, a small program.

`benchmarks/plans.py` and `benchmarks/tpu_program.py` do the same with the real sizes.
"""

import dataclasses

import pytest

from distil_jax.configuration import source as config_source
from distil_jax.planning import cache, compiler, hlo
from distil_jax.planning.flops import config_flops
from distil_jax.planning.pair import pair_of
from distil_jax.planning.plan import plan
from distil_jax.planning.topologies import find
from distil_jax.planning.work import work_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not compiler.is_installed(),
        reason="the TPU compiler is not installed (pip install -e '.[tpu]')",
    ),
]
TOPOLOGY = "v5e-4"
KEYS = ["--config.batch.sequences=64", "--config.batch.micro=8"]


@pytest.fixture(scope="module")
def made():
    config = config_source.read("tpu_v4", KEYS)
    return plan(config, pair_of(config), find(TOPOLOGY), work_of(config, None), search=False)


def test_the_paper_s_step_compiles_and_fits(made) -> None:
    assert made.compiled
    assert made.fits
    assert made.measured.memory.total < made.topology.chip.hbm_bytes


def test_products_are_at_most_five_percent_above_the_minimum(made) -> None:
    assert 1.0 <= made.measured.flops / made.minimum_flops <= 1.05


def test_the_gradient_is_summed_once_outside_of_the_loops(made) -> None:
    found = made.measured.collectives
    assert {one.operation for one in found} == {"all-reduce"}
    assert not any(one.in_loop for one in found)
    assert made.config.student.freeze == "positions"
    frozen = 4 * made.pair.student.positions * made.pair.student.width
    trained = made.measured.memory.student - frozen
    assert trained <= sum(one.bytes * one.times for one in found) < trained + 1000


def test_no_array_has_the_vocabulary_and_more_rows_than_two_chunks() -> None:
    config = config_source.read("tpu_v4", [*KEYS, "--config.loss.chunk=256"])
    pair = pair_of(config)
    prime = 30529
    pair = dataclasses.replace(
        pair,
        teacher=dataclasses.replace(pair.teacher, vocabulary=prime, layers=2),
        student=dataclasses.replace(pair.student, vocabulary=prime, layers=1),
    )
    from distil_jax.planning.plan import Work, program

    step = program(config, pair, compiler.devices(find(TOPOLOGY), "jit"), Work(512, 10))
    parsed = hlo.parse(step.lower().compile().as_text())
    rows = {
        shape.elements // prime
        for shape in hlo.arrays(parsed)
        if prime in shape.dimensions and not _is_table(shape, pair.student.width)
    }
    assert 256 in rows
    assert max(rows) <= 2 * 256


def _is_table(shape: hlo.Shape, width: int) -> bool:
    return width in shape.dimensions


def test_the_minimum_counts_no_recomputation(made) -> None:
    config = made.config
    assert config.parallel.rematerialise == "attention"
    rows = made.shares.device_rows * made.work.length
    counted = config_flops(config, made.pair.teacher, made.pair.student, length=made.work.length)
    assert made.minimum_flops == counted.total * rows


def test_the_figures_are_kept(made) -> None:
    key = cache.key_of(made.config, made.pair, TOPOLOGY, made.work.length)

    def refuse():
        raise AssertionError("compiled again")

    assert cache.remembered(key, refuse) == made.measured
