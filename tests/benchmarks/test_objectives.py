"""The comparison of objectives: what its table costs while it runs."""

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def objectives(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import objectives

    yield objectives
    sys.modules.pop("objectives")


def test_a_students_flops_are_counted_once(
    objectives, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table is written after each job, also of those that a stopped comparison leaves out."""
    for split in ("train", "validation"):
        for task in ("stsb", "sst2"):
            (tmp_path / task).mkdir(exist_ok=True)
            (tmp_path / task / f"{split}.jsonl").write_text("{}\n")
    flags = ["--size=short", "--text=none", f"--tasks={tmp_path}", f"--output={tmp_path / 'out'}"]
    comparison = objectives.Comparison(objectives.parser().parse_args(flags))
    counted = []
    count = objectives.config_flops
    monkeypatch.setattr(
        objectives, "config_flops", lambda *args, **more: counted.append(1) or count(*args, **more)
    )
    first = comparison.flops("narrow", "tinybert")
    assert comparison.flops("narrow", "tinybert") == first > 1e6
    assert len(counted) == 1
