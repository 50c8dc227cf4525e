"""hlo: a program's text, parsed, and what is no program."""

import pytest

from distil_jax.planning import hlo


def test_memory_spaces_are_distinguished(tpu_matmul: str) -> None:
    entry = hlo.parse(tpu_matmul).computations["main"]
    assert [instruction.result[0].on_chip for instruction in entry] == [False, True, False]


def test_other_text_is_refused() -> None:
    with pytest.raises(ValueError, match="no ENTRY"):
        hlo.parse("a poem")
