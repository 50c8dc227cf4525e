"""microbatch: the search finds what trying all would, with few programs."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distil_jax.planning.measure import Measured, Memory
from distil_jax.planning.microbatch import Largest, largest


def program(total: float, fixed: float, hbm_bytes: float) -> Measured:
    memory = Memory(fixed, 0.0, 0.0, 0.0, 0.0, total - fixed, 0.0)
    return Measured(total <= hbm_bytes, memory, 1.0, 1.0, (), total, 0.0)


@settings(max_examples=200, deadline=None)
@given(
    device_rows=st.integers(1, 512),
    fixed=st.floats(0.1, 30.0),
    base=st.floats(0.0, 10.0),
    per_row=st.floats(0.01, 4.0),
    start=st.integers(0, 40),
)
def test_it_finds_the_largest_divisor_that_fits(device_rows, fixed, base, per_row, start) -> None:
    hbm_bytes = 16.0
    divisors = [n for n in range(1, device_rows + 1) if device_rows % n == 0]
    compiled: list[int] = []

    def compile_at(rows: int) -> Measured:
        compiled.append(rows)
        return program(fixed + base + per_row * rows, fixed, hbm_bytes)

    first = divisors[start % len(divisors)]
    known = {first: compile_at(first)}
    found = largest(device_rows, known, compile_at, hbm_bytes)
    fitting = [n for n in divisors if fixed + base + per_row * n <= hbm_bytes]
    assert found == Largest(max(fitting, default=0), compiled=True)
    assert len(compiled) == len(set(compiled))


def test_a_few_programs_are_enough() -> None:
    compiled: list[int] = []

    def compile_at(rows: int) -> Measured:
        compiled.append(rows)
        return program(2.0 + 0.1 * rows, 1.5, 16.0)

    known = {16: compile_at(16)}
    assert largest(512, known, compile_at, 16.0).rows == 128
    assert len(compiled) <= 3


@pytest.mark.parametrize("hbm_bytes", [0.5, 1.0])
def test_nothing_fits(hbm_bytes: float) -> None:
    found = largest(8, {}, lambda rows: program(1.0 + rows, 1.0, hbm_bytes), hbm_bytes)
    assert found == Largest(0, compiled=True)


def test_where_compiling_takes_too_long_the_line_answers() -> None:
    compiled: list[int] = []

    def compile_at(rows: int) -> Measured:
        compiled.append(rows)
        return program(2.0 + 0.1 * rows, 1.5, 16.0)

    known = {16: compile_at(16)}
    found = largest(512, known, compile_at, 16.0, enough=lambda: len(compiled) >= 2)
    assert found == Largest(128, compiled=False)
    assert len(compiled) == 2


def test_at_once_it_is_what_one_program_lets_expect() -> None:
    known = {16: program(2.0 + 0.1 * 16, 1.5, 16.0)}
    assert largest(512, known, known.__getitem__, 16.0, enough=lambda: True) == Largest(64, False)


def test_rows_that_are_computed_together_stay_together() -> None:
    """Of 4 rows no program is made, as there is none."""
    found = largest(64, {}, lambda rows: program(float(rows), 0.0, 20.0), 20.0, group_rows=8)
    assert found == Largest(16, compiled=True)
    assert largest(64, {}, lambda rows: program(float(rows), 0.0, 7.0), 7.0, group_rows=8).rows == 0
