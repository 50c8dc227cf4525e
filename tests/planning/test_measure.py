"""measure: memory by kind adds up, and the compiler's refusals are read."""

from collections.abc import Callable

import jax
import pytest

from distil_jax.planning.measure import measure, memory_by_kind, read_refusal, residual_bytes
from distil_jax.planning.step_program import StepProgram


@pytest.mark.slow
def test_the_kinds_add_up_to_what_the_compiler_allocates(
    tiny_program: Callable[..., StepProgram],
) -> None:
    program = tiny_program()
    measured = measure(program, 1e9)
    stats = program.lower().compile().memory_analysis()
    said = stats.argument_size_in_bytes + stats.temp_size_in_bytes
    said += stats.generated_code_size_in_bytes
    assert measured.memory.total == pytest.approx(said, rel=0.01)
    assert measured.fits
    assert measured.flops > 0
    assert not measure(program, 1e4).fits


def test_state_by_kind_is_the_parameters_bytes(tiny_program) -> None:
    program = tiny_program(**{"precision.teacher": "bfloat16"})
    memory = memory_by_kind(program, None)
    student = sum(leaf.size for leaf in jax.tree.leaves(program.state.params))
    teacher = sum(leaf.size for leaf in jax.tree.leaves(program.constants))
    assert memory.student == 4 * student
    assert memory.teacher == 2 * teacher
    # Two moments for each parameter, and the counts of optimizer and schedule.
    assert 8 * student <= memory.optimizer < 8 * student + 64


def test_recomputation_keeps_less(tiny_program) -> None:
    kept = [
        residual_bytes(tiny_program(**{"parallel.remat": kind}))
        for kind in ("none", "attention", "layer")
    ]
    assert kept[0] > 1.5 * kept[1] > 1.5 * kept[2] > 0


def test_what_is_kept_grows_with_the_micro_batch_alone(tiny_program) -> None:
    two, four = (residual_bytes(tiny_program(**{"batch.micro_size": rows})) for rows in (2, 4))
    # All but a few small arrays of the vocabulary's size.
    assert 1.95 * two < four <= 2 * two


@pytest.mark.parametrize(
    ("message", "needed"),
    [
        (
            "RESOURCE_EXHAUSTED: Ran out of memory on HBM, the total memory required for HLO "
            "temporaries (1.50G) exceeds available HBM (15.75G).",
            1.5 * 2**30,
        ),
        ("Used 512.00M of 256.00M hbm. Exceeded hbm capacity by 256M.", 512 * 2**20),
        ("something else", None),
    ],
)
def test_a_refusal_names_what_was_needed(message: str, needed: float | None) -> None:
    assert read_refusal(message) == needed
