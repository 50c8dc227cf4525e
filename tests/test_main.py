"""main: from one command line to a student folder, again, and after every way of being stopped."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from distil_jax import commandline, pretrained
from distil_jax.export import main as export
from distil_jax.main import main
from distil_jax.models import MaskedLM
from distil_jax.run.setup import Setup
from distil_jax.training import precision
from distil_jax.training.checkpoint import Checkpoints
from tests.forward import forward

pytestmark = pytest.mark.usefixtures("blank_figures")

Flags = Callable[..., list[str]]
TIMING = re.compile("_seconds?$|^goodput$|^restarts$|^lost_steps$")
KEYS = {"step", "loss", "soft_target", "masked_lm", "cosine", "learning_rate", "tokens_per_second"}


def metrics(workdir: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl, timings apart."""
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if not TIMING.search(k)} for line in lines]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def weights(workdir: Path) -> str:
    return digest(workdir / "student" / "model.safetensors")


def start(arguments: list[str], **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "distil_jax.main", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )


def exit_status(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(commandline, "_keep_standard_error_for_errors", lambda: None)
    with pytest.raises(SystemExit) as exited:
        commandline.run(main, arguments)
    assert isinstance(exited.value.code, int)
    return exited.value.code


def sigterm_before(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM arrives while this step's batch is on its way, the first time it is asked for."""
    unpatched = Setup.training_batches

    def batches(setup: Any, first_step: int) -> Iterator[Any]:
        for number, batch in enumerate(unpatched(setup, first_step), start=first_step + 1):
            if number == step:
                os.kill(os.getpid(), signal.SIGTERM)
            yield batch

    monkeypatch.setattr(Setup, "training_batches", batches)


def test_a_run_leaves_all_its_results(finished: Path) -> None:
    left = {path.name for path in finished.iterdir()}
    assert left == {
        "metrics.jsonl", "checkpoints", "student", "curves.png", "baseline.json", "results.json",
        "report.html", "report.md", "figures", "config.json", "health.json", "tokenizer",
        "objectives.json",
    }  # fmt: skip
    assert {path.name for path in (finished / "checkpoints").iterdir()} == {"8", "12"}
    assert (finished / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert set(json.loads((finished / "baseline.json").read_text())) == {
        "teacher",
        "student, initialised",
    }
    results = json.loads((finished / "results.json").read_text())["models"]
    assert list(results) == ["teacher", "student, initialised", "student, distilled"]
    for figures in results.values():
        assert {"parameters", "masked_lm", "accuracy", "sentences_per_second"} < set(figures)


def test_metrics_hold_each_logged_step_once(finished: Path) -> None:
    lines = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 13))
    assert all(set(line) >= KEYS for line in lines)
    assert [line["step"] for line in lines if "validation_masked_lm" in line] == [4, 8, 12]
    assert lines[-1]["loss"] < lines[0]["loss"]


def test_results_agree_with_the_last_validation(finished: Path) -> None:
    results = json.loads((finished / "results.json").read_text())["models"]
    last = metrics(finished)[-1]
    for name in ("masked_lm", "accuracy", "agreement"):
        assert results["student, distilled"][name] == last[f"validation_{name}"]


def test_the_student_opens_in_transformers_with_the_same_logits(finished: Path) -> None:
    torch = pytest.importorskip("torch")
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    folder = finished / "student"
    model, report = AutoModelForMaskedLM.from_pretrained(
        folder, output_loading_info=True, dtype=torch.float32
    )
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    encoded = AutoTokenizer.from_pretrained(folder)(
        ["the old city was in the river", "the"], padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        expected = model.eval()(
            input_ids=encoded["input_ids"], attention_mask=encoded["attention_mask"]
        ).logits.numpy()
    student = pretrained.load(folder)
    batch = {
        "tokens": jnp.asarray(encoded["input_ids"].numpy(), jnp.int32),
        "segments": jnp.asarray(encoded["attention_mask"].numpy(), jnp.int32),
    }
    logits = forward(MaskedLM(student.config), student.params, batch)
    kept = np.asarray(batch["segments"]) > 0
    np.testing.assert_allclose(np.asarray(logits)[kept], expected[kept], atol=1e-4, rtol=0)


def test_the_same_command_again_changes_nothing_and_says_so(
    finished: Path, flags: Flags, capfd: pytest.CaptureFixture[str]
) -> None:
    before = {path: digest(path) for path in finished.rglob("*") if path.is_file()}
    main(flags(finished))
    out, err = capfd.readouterr()
    assert "finished already (12 steps)" in out
    assert "student, distilled" in out
    assert err == ""
    assert before == {path: digest(path) for path in finished.rglob("*") if path.is_file()}


def test_auto_stays_what_the_run_was_begun_in(
    finished: Path,
    flags: Flags,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(precision, "_ratio", lambda: 9.0)
    main(flags(finished, **{"precision.compute": "auto", "precision.teacher": "auto"}))
    assert "finished already (12 steps)" in capsys.readouterr().out


@pytest.mark.slow
def test_as_a_program_from_text_with_nothing_on_standard_error(
    tmp_path: Path, flags: Flags, text_file: Path
) -> None:
    workdir = tmp_path / "run"
    changes = {"data.train": text_file, "batch.length": 32, "data.heldout": 0.1}
    process = start(flags(workdir, **changes, **{"log.tensorboard": True}))
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert f"student: {workdir / 'student'}" in out
    assert (workdir / "data" / "manifest.json").is_file()
    assert any((workdir / "tensorboard").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "devices"), [("jit", 1), pytest.param("pmap", 2, marks=pytest.mark.slow)]
)
def test_stopped_by_sigterm_and_resumed_equals_uninterrupted(
    mode: str,
    devices: int,
    tmp_path: Path,
    flags: Flags,
    finished: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    changes = {"parallel.mode": mode, "parallel.devices": devices}
    whole = finished
    if devices > 1:
        whole = tmp_path / "whole"
        main(flags(whole, **changes))
    with monkeypatch.context() as patched:
        sigterm_before(6, patched)
        capfd.readouterr()
        assert exit_status(flags(tmp_path / "cut", **changes), patched) == 143
    assert capfd.readouterr().err.startswith("error: stopped by SIGTERM after step 6 of 12")
    assert (tmp_path / "cut" / "checkpoints" / "6").is_dir()
    main(flags(tmp_path / "cut", **changes))
    assert "resuming from the checkpoint of step 6" in capfd.readouterr().out
    assert metrics(tmp_path / "cut") == metrics(whole)
    assert [line["step"] for line in metrics(tmp_path / "cut")] == list(range(1, 13))
    assert weights(tmp_path / "cut") == weights(whole)


def test_sigterm_while_the_last_checkpoint_is_written_does_not_lose_it(
    tmp_path: Path, flags: Flags, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = Checkpoints._commit

    def slow(checkpoints: Checkpoints, step: int) -> None:
        if step == 12:
            time.sleep(1)  # until the run waits for it
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(2)
        commit(checkpoints, step)

    monkeypatch.setattr(Checkpoints, "_commit", slow)
    assert exit_status(flags(tmp_path / "run"), monkeypatch) == 143
    assert {path.name for path in (tmp_path / "run" / "checkpoints").iterdir()} == {"8", "12"}


@pytest.mark.slow
def test_killed_after_a_checkpoint_and_resumed_equals_uninterrupted(
    tmp_path: Path, flags: Flags, finished: Path
) -> None:
    process = start(flags(tmp_path / "cut"))
    checkpoints = tmp_path / "cut" / "checkpoints"
    while process.poll() is None and not list(checkpoints.glob("[0-9]*")):
        time.sleep(0.001)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "cut" / "results.json").exists()
    main(flags(tmp_path / "cut"))
    assert metrics(tmp_path / "cut") == metrics(finished)
    assert weights(tmp_path / "cut") == weights(finished)


@pytest.mark.slow
def test_sigterm_to_the_program_is_one_line_and_143(tmp_path: Path, flags: Flags) -> None:
    process = start(flags(tmp_path / "run"))
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("step 2/"):
            process.terminate()
            break
    _, err = process.communicate()
    assert process.returncode == 143
    assert err.count("\n") == 1
    assert err.startswith("error: stopped by SIGTERM")
    assert "rerun the same command to resume" in err
    assert list((tmp_path / "run" / "checkpoints").glob("[0-9]*"))


@pytest.mark.slow
def test_resumed_on_eight_devices_gives_the_same_losses(
    tmp_path: Path, flags: Flags, monkeypatch: pytest.MonkeyPatch
) -> None:
    still = {"student.dropout": 0.0, "student.attention_dropout": 0.0}
    main(flags(tmp_path / "whole", **still))
    with monkeypatch.context() as patched:
        sigterm_before(6, patched)
        assert exit_status(flags(tmp_path / "cut", **still), patched) == 143
    main(flags(tmp_path / "cut", **still, **{"parallel.devices": 8}))
    for ours, expected in zip(metrics(tmp_path / "cut"), metrics(tmp_path / "whole"), strict=True):
        for name in ("loss", "soft_target", "masked_lm", "cosine"):
            assert ours[name] == pytest.approx(expected[name], rel=1e-5)


def test_sigterm_before_the_first_step_is_done_exits_143(
    tmp_path: Path, flags: Flags, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        sigterm_before(1, patched)
        assert exit_status(flags(tmp_path / "run"), patched) == 143
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["1"]


def test_sigterm_while_loading_exits_143_and_leaves_nothing(
    tmp_path: Path, flags: Flags, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "distil_jax.run.setup.load_models", lambda _: os.kill(os.getpid(), signal.SIGTERM)
    )
    assert exit_status(flags(tmp_path / "run"), monkeypatch) == 143
    assert capfd.readouterr().err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_killed_in_its_final_figures_export_and_report_and_started_again_finishes(
    tmp_path: Path, flags: Flags, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other: a start that is killed in the second has gone through the first."""

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for broken in ("final", "save_student", "loss_curves.draw_file"):
        with monkeypatch.context() as patched:
            patched.setattr(f"distil_jax.run.finish.{broken}", killed)
            assert exit_status(flags(tmp_path / "run"), patched) == 130
        assert not (tmp_path / "run" / "results.json").exists()
        assert (tmp_path / "run" / "student").exists() == (broken == "loss_curves.draw_file")
    main(flags(tmp_path / "run"))
    assert weights(tmp_path / "run") == weights(finished)
    assert (tmp_path / "run" / "curves.png").is_file()


@pytest.mark.slow
def test_figures_of_an_earlier_run_of_another_kind_are_measured_anew(
    tmp_path: Path, flags: Flags, finished: Path
) -> None:
    shutil.copytree(finished, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    main(flags(tmp_path / "run", **{"student.layers": "1,3"}))
    old, new = (
        json.loads((folder / "baseline.json").read_text())
        for folder in (finished, tmp_path / "run")
    )
    assert new["teacher"] == old["teacher"]
    assert new["student, initialised"] != old["student, initialised"]


def test_a_loss_that_is_not_finite_exits_3_and_names_the_last_good_checkpoint(
    tmp_path: Path, flags: Flags, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    wild = {"optimizer.learning_rate": 1e30, "optimizer.clip": 0, "optimizer.warmup": 0}
    often = {"checkpoint.every_steps": 1, "eval.every_steps": 100}
    arguments = flags(tmp_path / "run", **wild, **often)
    capfd.readouterr()
    assert exit_status(arguments, monkeypatch) == 3
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert f"the last good checkpoint is step 1, {tmp_path}/run/checkpoints/1;" in err
    assert not (tmp_path / "run" / "student").exists()
    export(err.split("distil_jax.export ")[1].replace("FOLDER", f"{tmp_path}/student").split())
    assert pretrained.load(tmp_path / "student").head == "masked_lm"


@pytest.mark.slow
def test_goes_on_from_a_student_folder(tmp_path: Path, flags: Flags, finished: Path) -> None:
    folder = finished / "student"
    main(flags(tmp_path / "run", **{"student.folder": folder}))
    before = json.loads((tmp_path / "run" / "baseline.json").read_text())["student, initialised"]
    left = json.loads((finished / "results.json").read_text())["models"]["student, distilled"]
    assert before["masked_lm"] == pytest.approx(left["masked_lm"], rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "layers", "origin"),
    [
        pytest.param({"student.initialize": "random"}, 2, None, marks=pytest.mark.slow),
        pytest.param({"student.layers": "0,3"}, 2, "[0, 3]", marks=pytest.mark.slow),
        pytest.param({"student.layers": "2"}, 2, "[0, 3]", marks=pytest.mark.slow),
        ({"loss.positions": "masked", "batch.micro_size": 2}, 2, "[0, 2]"),
    ],
)
def test_students_of_other_kinds(
    changes: dict[str, object],
    layers: int,
    origin: str | None,
    tmp_path: Path,
    flags: Flags,
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(flags(tmp_path / "run", **changes))
    assert pretrained.load(tmp_path / "run" / "student").config.layers == layers
    out = capsys.readouterr().out
    assert (f"from teacher layers {origin}" in out) == (origin is not None)


def test_pretraining_has_the_masked_lm_loss_alone(
    tmp_path: Path, flags: Flags, teacher_folder: Path
) -> None:
    shape = {"layers": 2, "hidden_size": 16, "heads": 2, "mlp_size": 32, "positions": 32}
    changes: dict[str, object] = {
        "teacher": "",
        "tokenizer": teacher_folder,
        "loss.soft_target": 0,
        "loss.masked_lm": 1,
        "loss.cosine": 0,
        **{f"student.architecture.{key}": value for key, value in shape.items()},
    }
    main(flags(tmp_path / "run", **changes))
    for line in metrics(tmp_path / "run"):
        assert line["loss"] == line["masked_lm"] > 0
        assert not {"soft_target", "cosine"} & line.keys()
    made = pretrained.load(tmp_path / "run" / "student", require_head="masked_lm")
    assert (made.config.model_type, made.config.layers, made.config.hidden_size) == ("bert", 2, 16)
    results = json.loads((tmp_path / "run" / "results.json").read_text())["models"]
    assert list(results) == ["student, initialised", "student, pretrained"]
