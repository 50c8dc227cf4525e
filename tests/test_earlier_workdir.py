"""A workdir that the first version wrote goes on, and is exported, as if nothing had changed."""

import json
import shutil
from pathlib import Path
from typing import Any

import jax
import pytest
from safetensors.numpy import load_file

from distil_jax import export, main
from tests import code_generation

EARLIER = Path(__file__).parent / "fixtures" / "workdir_0_1"
EXPECTED: dict[str, Any] = json.loads((EARLIER / "expected.json").read_text())
KEYS = (
    "batch.sequences=8", "batch.length=32", "batch.micro=4", "total_steps=8", "log.every_steps=1",
    "log.tensorboard=False", "eval.every_steps=4", "checkpoint.every_steps=4",
    "optimizer.learning_rate=0.01", "optimizer.weight_decay=0.01", "parallel.devices=1",
    "loss.logit_mse=0.1", "loss.schedules.cosine=0:1, 1:2", f"teacher={EARLIER / 'teacher'}",
    f"data.train={EARLIER / 'rows'}",
)  # fmt: skip


def same_arithmetic() -> bool:
    """Whether this processor and this JAX compute what those of the fixture computed."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    features = sorted(name for name in flags if name.startswith(("avx", "fma", "sse4", "amx")))
    return (features, jax.__version__) == (EXPECTED["cpu"], EXPECTED["jax"])


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    return shutil.copytree(EARLIER / "workdir", tmp_path / "workdir")


@pytest.mark.slow
@pytest.mark.usefixtures("blank_figures")
def test_it_resumes_like_the_uninterrupted_run(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = [f"--config.{key}" for key in KEYS]
    with code_generation.fused():
        main.main(["--config=base", f"--workdir={workdir}", *keys])
    assert "resuming from the checkpoint of step 4" in capsys.readouterr().out
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    found = [
        {name: line.get(name) for name in expected}
        for line, expected in zip(lines, EXPECTED["metrics"], strict=True)
    ]
    # The vocabulary losses have since been summed in another order: last digits are others.
    closeness = 2e-5 if same_arithmetic() else 1e-3
    for line, expected in zip(found, EXPECTED["metrics"], strict=True):
        assert line == pytest.approx(expected, rel=closeness, abs=1e-6)


def test_a_checkpoint_of_it_is_exported(workdir: Path, tmp_path: Path) -> None:
    export.main([f"--workdir={workdir}", "--step=4", f"--output={tmp_path / 'out'}"])
    tensors = load_file(tmp_path / "out" / "model.safetensors")
    assert tensors["distilbert.transformer.layer.1.ffn.lin1.weight"].shape == (32, 16)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "step 4" in card
    assert "squared distance of logits" in card
