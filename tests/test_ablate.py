"""ablate: a sweep from the command line, stopped in the middle, goes on where it stopped."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from distil_jax.ablate import main
from distil_jax.compare import main as compare
from distil_jax.run import distillation
from distil_jax.training import precision


@pytest.mark.slow
def test_a_stopped_sweep_keeps_what_is_finished_and_ends_with_a_table(
    tmp_path: Path,
    flags: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output = tmp_path / "sweep"
    keys = [flag for flag in flags(tmp_path) if not flag.startswith("--workdir")]
    changes = ["loss.cosine=0", "total_steps=2", "eval.every_steps=9", "precision.compute=auto"]
    keys += [f"--config.{change}" for change in changes]
    command = [*keys, f"--output={output}", "--seeds=1", "--layers=first"]
    started: list[Path] = []
    run = distillation.run

    def stopping(config: object, workdir: Path, message: str) -> None:
        started.append(workdir)
        if len(started) == 2:
            raise KeyboardInterrupt
        run(config, workdir, message)  # type: ignore[arg-type]

    monkeypatch.setattr(distillation, "run", stopping)
    monkeypatch.setattr(precision, "_ratio", lambda: 0.1)
    with pytest.raises(KeyboardInterrupt):
        main(command)
    first, second = started
    before = (first / "results.json").stat().st_mtime_ns
    monkeypatch.setattr(precision, "_ratio", lambda: 9.0)
    main(command)
    assert started[2] == second  # the first was not run again
    assert (first / "results.json").stat().st_mtime_ns == before
    content = json.loads((output / "ablations.json").read_text())
    names = [variant["name"] for variant in content["variants"]]
    assert names == [
        "all losses", "without soft targets", "without masked LM", "random initialisation",
        "layers 0, 1",
    ]  # fmt: skip
    for variant in content["variants"]:
        (one,) = variant["runs"]
        results = json.loads((output / one["workdir"] / "results.json").read_text())
        assert one["masked_lm"] == results["models"]["student, distilled"]["masked_lm"]
        base = content["variants"][0]["runs"][0]["masked_lm"]
        assert variant["change"]["masked_lm"]["median"] == one["masked_lm"] - base
    assert "| random initialisation | 1 |" in (output / "ablations.md").read_text()
    compare([f"--run={first}", f"--ablations={output}", f"--output={tmp_path / 'page'}"])
    assert "random initialisation" in (tmp_path / "page" / "report.html").read_text()
