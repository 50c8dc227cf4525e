"""The examples run from top to bottom, with tiny models where they take one."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from distil_jax import pretrained
from distil_jax.models import MaskedLM
from distil_jax.pretrained.families import FAMILIES
from distil_jax.tasks import named, task_scores

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_example_is_run_by_a_test() -> None:
    tested = (
        Path(__file__).read_text()
        + (EXAMPLES.parent / "tests/objectives").joinpath("test_own_objective.py").read_text()
    )
    files = [path for path in EXAMPLES.iterdir() if path.suffix in (".py", ".sh", ".ipynb")]
    assert [path.name for path in files if path.stem not in tested] == []


@pytest.mark.parametrize("library", ["linen", "nnx", "equinox"])
def test_losses_in_your_loop(library: str) -> None:
    first, last = getattr(load("losses_in_your_loop"), library)()
    assert last < 0.9 * first


@pytest.mark.slow
@pytest.mark.usefixtures("blank_figures")
def test_distil_in_python(
    flags: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = [flag.removeprefix("--config.") for flag in flags(tmp_path)[2:]]
    load("distil_in_python").main(str(tmp_path / "run"), *keys)
    out = capsys.readouterr().out
    assert "step 12: loss " in out
    assert f"{tmp_path}/run/student: held-out loss " in out


@pytest.mark.slow
@pytest.mark.usefixtures("blank_figures")
def test_custom_task(shallow_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for table in (named.TASKS, task_scores.SCORES, task_scores.DEFINITIONS):
        for name in ("stars", "within_one"):  # taken away again after the test
            monkeypatch.setitem(table, name, None)
            monkeypatch.delitem(table, name)
    table = tmp_path / "table.jsonl"
    rows = [{"title": "the", "text": f"number {i}", "label": str(i % 5 + 1)} for i in range(20)]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    flags = ["--epochs=1", "--length=16", "--batch=8", "--seeds=1"]
    out = tmp_path / "out"
    load("custom_task").main(str(shallow_folder), str(table), str(table), str(out), *flags)
    results = json.loads((out / "results.json").read_text())
    assert results["metric"] == "within_one"
    assert results["metric_definition"] == "share of the predictions at most one star off"
    assert results["metrics"]["within_one"] >= results["metrics"]["accuracy"]


def test_custom_family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from transformers import Data2VecTextConfig, Data2VecTextForMaskedLM

    monkeypatch.setitem(FAMILIES, "data2vec-text", None)  # taken away again after the test
    monkeypatch.delitem(FAMILIES, "data2vec-text")
    shape = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    sizes = {"vocab_size": 60, "hidden_size": 16, "max_position_embeddings": 20}
    theirs = Data2VecTextForMaskedLM(Data2VecTextConfig(**sizes, **shape)).eval()
    theirs.save_pretrained(tmp_path / "model")
    load("custom_family")
    config, params, head, _ = pretrained.load_weights(tmp_path / "model")
    assert head == "masked_lm"
    tokens = np.arange(5, 17)[None]
    batch = {"tokens": jnp.asarray(tokens), "segments": jnp.ones((1, 12), int)}
    logits = jax.jit(MaskedLM(config).apply)({"params": params}, batch)
    with torch.no_grad():
        expected = theirs(input_ids=torch.tensor(tokens)).logits
    np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_search_by_meaning(
    shallow_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("the number 1 is small\n\nthe number 2 is large\nhow 3\n")
    load("search_by_meaning").main(str(shallow_folder), str(texts), "how 3")
    first, *others = capsys.readouterr().out.splitlines()
    assert first == "1.000  how 3"
    assert len(others) == 2


@pytest.mark.slow
def test_fine_tune_and_export(teacher_folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.jsonl"
    rows = [{"text": f"the number {i} is small", "label": i % 2} for i in range(32)]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    script = EXAMPLES / "fine_tune_and_export.sh"
    flags = ["--epochs=1", "--length=16", "--batch=8"]
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    subprocess.run(
        [script, teacher_folder, table, table, tmp_path / "out", *flags],
        check=True,
        env={"PATH": path, "JAX_PLATFORMS": "cpu", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},
    )
    assert len((tmp_path / "out/predictions.jsonl").read_text().splitlines()) == 32
    assert list((tmp_path / "out/onnx").glob("*.onnx"))
