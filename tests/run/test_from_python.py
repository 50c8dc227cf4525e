"""distil: a run from Python is the command's run, heard of line by line, and resumed."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import distil_jax
from distil_jax.errors import UsageError
from distil_jax.training.metrics_file import read

LOSSES = ("loss", "soft_target", "masked_lm", "cosine", "gradient_norm")


def overrides(flags: Callable[..., list[str]], **changes: object) -> dict[str, str]:
    keys = [flag.removeprefix("--config.") for flag in flags(Path("w"), **changes)]
    return dict(key.split("=", 1) for key in keys if not key.startswith("--"))


def figures(lines: list[Mapping[str, Any]]) -> list[list[float]]:
    return [[line["step"], *(line[name] for name in LOSSES)] for line in lines]


@pytest.mark.slow
@pytest.mark.usefixtures("blank_figures")
def test_it_is_the_run_of_the_command_stopped_and_resumed(
    flags: Callable[..., list[str]],
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    heard: list[Mapping[str, Any]] = []

    def stop_late(line: Mapping[str, Any]) -> None:
        heard.append(line)
        if line["step"] == 4:
            raise RuntimeError("enough")

    values = overrides(flags)
    with pytest.raises(RuntimeError, match="enough"):
        distil_jax.distil("base", tmp_path / "run", values, on_log=stop_late)
    words = tmp_path / "run/tokenizer/tokenizer.json"
    words.write_text(words.read_text()[:100])
    left: list[distil_jax.Distilled] = []
    thread = threading.Thread(
        target=lambda: left.append(distil_jax.distil("base", "~/run", values, on_log=heard.append))
    )
    thread.start()
    thread.join()
    assert (left[0].student / "model.safetensors").is_file()
    assert words.read_bytes() == (finished / "tokenizer/tokenizer.json").read_bytes()
    assert figures(list(left[0].metrics)) == figures(read(finished / "metrics.jsonl"))
    assert [line["step"] for line in heard][-1] == left[0].results["total_steps"]


@pytest.mark.parametrize(
    ("values", "message"),
    [({"batch.siz": 8}, "did you mean config.batch.size"), ({"batch.size": "x"}, "of type int")],
)
def test_keys_are_checked_as_on_the_command_line(
    values: Mapping[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        distil_jax.distil("quickstart", tmp_path / "run", values)
    assert not (tmp_path / "run").exists()


def test_the_callers_config_is_not_changed(tmp_path: Path) -> None:
    from distil_jax.configs import quickstart

    config = quickstart.get_config()
    with pytest.raises(UsageError, match="at least 1"):
        distil_jax.distil(config, tmp_path / "run", {"batch.size": 0})
    assert config.batch.size == quickstart.get_config().batch.size


def test_a_bucket_is_left_to_the_command() -> None:
    with pytest.raises(UsageError, match="must be a folder here"):
        distil_jax.distil("quickstart", "gs://bucket/run")
