"""The commands with everything in a bucket: teacher, rows, workdir, and the resulting models."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from distil_jax import commandline, export, fill_mask, pretrained
from distil_jax.errors import UserError
from distil_jax.main import main
from distil_jax.prepare import main as prepare
from distil_jax.storage.bucket import Bucket

pytestmark = pytest.mark.usefixtures("blank_figures")

Flags = Callable[..., list[str]]
TIMING = re.compile("_seconds?$|^goodput$|^restarts$|^lost_steps$")


def upload(folder: Path, url: str) -> str:
    for path in folder.iterdir():
        Bucket(url).upload(path, path.name)
    return url


def metrics(content: bytes) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in content.splitlines()]
    return [{k: v for k, v in line.items() if not TIMING.search(k)} for line in lines]


def killed_at(sign: str, arguments: list[str]) -> str:
    """What a run says until SIGKILL, which it gets once it has said `sign`."""
    with subprocess.Popen(
        [sys.executable, "-m", "distil_jax.main", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        said = ""
        while sign not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        process.kill()
    assert process.returncode == -signal.SIGKILL
    return said


@pytest.mark.slow
def test_killed_and_its_machine_gone_a_run_goes_on_from_the_bucket_bit_for_bit(
    bucket: str,
    tmp_path: Path,
    flags: Flags,
    finished: Path,
    teacher_folder: Path,
    text_file: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    teacher = upload(teacher_folder, f"{bucket}/teacher")
    settings = [f"--tokenizer={teacher}", "--heldout=0.1", "--length=32"]
    prepare([f"--input={text_file}", f"--output={bucket}/rows", *settings])
    workdir = f"{bucket}/runs/one"
    arguments = flags(workdir, **{"teacher": teacher, "data.train": f"{bucket}/rows"})
    killed_at("step 9/12", arguments)
    left = Bucket(workdir)
    assert left.has("checkpoints/4/digests.json")
    assert len(metrics(left.read("metrics.jsonl"))) >= 4
    assert not left.has("results.json")

    shutil.rmtree(tmp_path / "cache")
    capsys.readouterr()
    main(arguments)
    said = capsys.readouterr().out
    assert re.search(rf"resuming from the checkpoint of step [48] in {workdir}/checkpoints", said)
    assert f"student: {workdir}/student" in said
    assert not (tmp_path / "cache" / "workdirs").exists()
    assert metrics(left.read("metrics.jsonl")) == metrics((finished / "metrics.jsonl").read_bytes())
    weights = "student/model.safetensors"
    assert left.read(weights) == (finished / weights).read_bytes()
    there = {name.split("/")[0] for name in left.sizes()}
    assert there == {path.name for path in finished.iterdir()}

    main(arguments)
    assert f"{workdir} is finished already (12 steps)" in capsys.readouterr().out
    export.main([f"--workdir={workdir}", "--step=8", f"--output={bucket}/step-8"])
    export.main([f"--workdir={finished}", "--step=8", f"--output={tmp_path}/step-8"])
    ours, expected = pretrained.load(f"{bucket}/step-8"), pretrained.load(tmp_path / "step-8")
    assert str(ours.params) == str(expected.params)
    fill_mask.main([f"--model={workdir}/student", "--json", "the old [MASK] was in the river"])
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["model"]["masks"]


@pytest.mark.slow
def test_text_is_prepared_in_the_bucket_of_the_run(
    bucket: str, flags: Flags, text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def enough(*_: object) -> None:
        raise UserError("enough")

    monkeypatch.setattr("distil_jax.run.distillation._distil", enough)
    text = f"{bucket}/text/a.txt"
    Bucket(f"{bucket}/text").upload(text_file, "a.txt")
    with pytest.raises(UserError, match="enough"):
        main(flags(f"{bucket}/run", **{"data.train": text, "data.heldout": 0.1}))
    assert Bucket(f"{bucket}/run").has("data/manifest.json")


@pytest.mark.parametrize(
    ("workdir", "changes", "message"),
    [
        ("gs://nobody-made-this/run", {}, "there is no bucket nobody-made-this"),
        ("memory://b/run", {}, "memory://b/run cannot hold a run; --workdir is a local folder"),
        ("BUCKET/run", {"teacher": "BUCKET/none"}, "BUCKET/none holds no files; check the name"),
        ("BUCKET/run", {"data.train": "BUCKET/none"}, "BUCKET/none matches no text file"),
    ],
)
def test_what_is_wrong_is_one_line(
    bucket: str,
    flags: Flags,
    workdir: str,
    changes: dict[str, str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(commandline, "_keep_standard_error_for_errors", lambda: None)
    named = {key: value.replace("BUCKET", bucket) for key, value in changes.items()}
    with pytest.raises(SystemExit) as exited:
        commandline.run(main, flags(workdir.replace("BUCKET", bucket), **named))
    assert exited.value.code == 1
    err = capfd.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message.replace("BUCKET", bucket) in err
    assert Bucket(bucket).sizes() == {}


def test_a_folder_of_this_machine_is_asked_for_where_a_bucket_would_not_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exited:
        commandline.run(
            export.main, ["--model=builtin:teacher", "--format=onnx", "--output=gs://b/x"]
        )
    assert exited.value.code == 2
    assert "--output=gs://b/x goes with --workdir; name a folder here" in capsys.readouterr().err
