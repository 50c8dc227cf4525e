"""The comparison of objectives: what its table costs while it runs, and what it refuses."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from distil_jax.errors import UsageError, UserError
from distil_jax.pretrained import load, save

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def objectives(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import objectives

    yield objectives
    sys.modules.pop("objectives")


def compared(objectives, folder: Path, *more: str):
    """A comparison whose tasks have files."""
    for split in ("train", "validation"):
        for task in ("stsb", "sst2"):
            (folder / task).mkdir(exist_ok=True)
            (folder / task / f"{split}.jsonl").write_text("{}\n")
    flags = ["--size=short", "--text=none", f"--tasks={folder}", f"--output={folder / 'out'}"]
    return objectives.Comparison(objectives.parser().parse_args([*flags, *more]))


def test_a_students_flops_are_counted_once(
    objectives, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table is written after each job, also of those that a stopped comparison leaves out."""
    comparison = compared(objectives, tmp_path)
    counted = []
    count = objectives.config_flops
    monkeypatch.setattr(
        objectives, "config_flops", lambda *args, **more: counted.append(1) or count(*args, **more)
    )
    first = comparison.flops("narrow", "tinybert")
    assert comparison.flops("narrow", "tinybert") == first > 1e6
    assert len(counted) == 1


def test_a_teacher_that_the_recipes_do_not_fit_is_refused(
    objectives, tmp_path: Path, teacher_folder: Path
) -> None:
    message = r"layers of \d+ heads; the recipes are for 6 layers of 8: .* builtin:teacher$"
    with pytest.raises(UserError, match=message):
        compared(objectives, tmp_path, f"--teacher={teacher_folder}")


def test_a_teacher_without_a_masked_lm_head_is_refused(objectives, tmp_path: Path) -> None:
    teacher = load("builtin:teacher")
    encoder = {"encoder": teacher.params["encoder"]}
    save(tmp_path / "headless", replace(teacher, params=encoder, head=None))
    with pytest.raises(UserError, match="headless"):
        compared(objectives, tmp_path, f"--teacher={tmp_path / 'headless'}")


def test_one_task_at_least_is_kept(objectives, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--leave-out of all tasks; keep one of stsb, sst2"):
        compared(objectives, tmp_path, "--leave-out=stsb", "--leave-out=sst2")
