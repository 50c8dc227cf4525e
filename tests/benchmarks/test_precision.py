"""Benchmarks of a config whose precision is `auto` compute in the type that a run would."""

import importlib
from argparse import Namespace
from pathlib import Path

import jax
import pytest

from distil_jax.models import initialize, student_from_teacher
from distil_jax.pretrained.families import make_config
from distil_jax.training import precision

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def fast_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.setattr(precision, "_ratio", lambda: 2.0)


def dtypes(params) -> set[str]:
    return {str(leaf.dtype) for leaf in jax.tree.leaves(params)}


def test_parallel_modes(monkeypatch: pytest.MonkeyPatch) -> None:
    modes, seen = importlib.import_module("parallel_modes"), []

    def measure(run, count, params, teacher_params, vocabulary):
        seen.append((run.matmul_dtype, dtypes(teacher_params)))
        return {"jit": [1.0], "pmap": [1.0]}

    monkeypatch.setattr(modes, "measure", measure)
    modes.main()
    assert seen[0] == ("bfloat16", {"bfloat16"})


def test_stored_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    stored, seen = importlib.import_module("stored_targets"), []
    monkeypatch.setattr(stored, "is_prepared", lambda folder: True)
    monkeypatch.setattr(stored, "keep_compiled", lambda: None)
    monkeypatch.setattr(stored, "Stepper", lambda config: seen.append(config) or (lambda: 1))
    stored.main(["--config=quickstart", "--targets=there", "--rounds=1"])
    assert {config.precision.compute for config in seen} == {"bfloat16"}
    assert [config.targets for config in seen] == ["", "there"]


def test_growth(monkeypatch: pytest.MonkeyPatch) -> None:
    growth = importlib.import_module("growth")

    def step_program(config, *_, **__):
        raise LookupError(config.precision.compute, config.precision.teacher)

    monkeypatch.setattr("distil_jax.planning.step_program.step_program", step_program)
    monkeypatch.setattr("distil_jax.run.compilation.keep_compiled", lambda: None)
    with pytest.raises(LookupError) as reached:
        growth.step_point(rows=2, micro=0, length=16, vocabulary=64, devices=1)
    assert reached.value.args == ("bfloat16", "bfloat16")


def test_original_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """The teacher is cast before the first step, as a run's is."""
    original, seen = importlib.import_module("original_step"), []
    config = make_config("bert", 99, 8, 2, heads=2, mlp_size=16, positions=16)
    teacher = config, initialize(config, jax.random.key(0))
    student = student_from_teacher(*teacher, (0,))
    keys = [f"--config.precision.{name}=auto" for name in ("compute", "teacher")]
    flags = Namespace(rows=2, length=16, overrides=keys)
    monkeypatch.setattr(original, "Constants", lambda teacher: seen.append(dtypes(teacher)))
    assert list(original.ours(flags, teacher, student, iter(()), Path())) == []
    assert seen == [{"bfloat16"}]
