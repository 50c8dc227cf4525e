"""benchmarks/gpu.py: rehearsed as it is run, and what is cut off or fails loses nothing else."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("gpu")


@pytest.mark.slow
def test_it_is_rehearsed_on_a_cpu(tmp_path: Path) -> None:
    names = ["step", "kernels", "PyTorch", "fine-tuning"]
    command = [sys.executable, str(BENCHMARKS / "gpu.py"), "--rehearse", f"--output={tmp_path}"]
    done = subprocess.run(
        [*command, *(f"--only={name}" for name in names)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert list(figures) == names
    assert not any("failed" in one or "skipped" in one for one in figures.values()), figures
    assert figures["step"]["traffic_by_kind"]["attention"] > 0
    assert figures["kernels"]["dropout_bits_differ"] == 0
    assert figures["kernels"]["dropout_rate"] == pytest.approx(0.1, abs=2e-3)
    assert figures["PyTorch"]["eager_tokens_per_second"] > 0
    assert done.stdout.count("\n") == len(names)


def test_every_figure_has_its_place(gpu) -> None:
    kinds = importlib.import_module("gpu_figures").KINDS
    assert set(gpu.ORDER) == set(gpu.STEPS) | (set(kinds) - {"step"}) | {"step"}
    assert gpu.ORDER[0] == "step"


def test_the_figures_before_a_cut_are_kept(gpu, tmp_path: Path, monkeypatch, capsys) -> None:
    def run(command, *, timeout, **_):
        if "--kind=kernels" in command:
            raise subprocess.TimeoutExpired(command, timeout)
        failed = "--kind=PyTorch" in command
        text = "" if failed else '{"tokens_per_second": 1234.5}\n'
        return subprocess.CompletedProcess(command, int(failed), text, "no torch\n" * failed)

    monkeypatch.setattr(gpu.subprocess, "run", run)
    only = [f"--only={name}" for name in ("step", "kernels", "PyTorch", "MiniLM")]
    gpu.main([f"--output={tmp_path}", *only])
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["step"]["tokens_per_second"] == figures["MiniLM"]["tokens_per_second"] == 1234.5
    assert figures["kernels"]["skipped"].startswith("cut off after")
    assert figures["PyTorch"]["failed"] == "no torch"
    assert "step: tokens_per_second 1,234" in capsys.readouterr().out


def test_after_the_time_nothing_starts(gpu, tmp_path: Path) -> None:
    gpu.main([f"--output={tmp_path}", "--minutes=1e-9", "--only=step"])
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures == {"step": {"skipped": "no time"}}


def test_a_second_call_keeps_the_figures_of_the_first(gpu, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(gpu, "measured", lambda name, *_: {"tokens_per_second": len(name)})
    for names in (["--only=step"], ["--only=MiniLM"], ["--minutes=1e-9", "--only=step"]):
        gpu.main([f"--output={tmp_path}", *names])
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures == {"step": {"tokens_per_second": 4}, "MiniLM": {"tokens_per_second": 6}}


def test_a_rehearsal_skips_the_kernel_and_says_so(gpu, tmp_path: Path, capsys) -> None:
    names = [name for name in gpu.ORDER if "kernel" in name and name != "kernels"]
    gpu.main([f"--output={tmp_path}", "--rehearse", *(f"--only={name}" for name in names)])
    said = [f"{name}: skipped a CPU has no kernel" for name in names]
    assert capsys.readouterr().out.splitlines() == said != []


def test_the_kernel_is_what_its_figure_changes(gpu, monkeypatch) -> None:
    figures, configs = importlib.import_module("gpu_figures"), []
    monkeypatch.setattr(figures, "step_program", lambda config, *_, **__: configs.append(config))
    for name in ("step", "step, layers unrolled", "step, attention's kernel"):
        figures.program_of(list(gpu.STEPS[name]), True)
    assert [each.parallel.attention for each in configs] == ["plain", "plain", "kernel"]
