"""export: the model folder of a checkpoint that a run kept."""

from pathlib import Path

import pytest
from safetensors.numpy import load_file

from distil_jax import commandline, pretrained
from distil_jax.export import main

ONNX = ("--format=onnx", "--output={out}")
STATIC = (*ONNX, "--quantize=int8-static")


def tensors(folder: Path) -> dict[str, bytes]:
    return {name: t.tobytes() for name, t in load_file(folder / "model.safetensors").items()}


def test_the_last_step_is_the_student_of_the_run(finished: Path, tmp_path: Path) -> None:
    main([f"--workdir={finished}", "--step=12", f"--output={tmp_path / 'last'}"])
    assert tensors(tmp_path / "last") == tensors(finished / "student")
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        ours, expected = tmp_path / "last" / name, finished / "student" / name
        assert ours.read_text() == expected.read_text(), name


def test_an_earlier_step_is_another_student(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([f"--workdir={finished}", "--step=8", f"--output={tmp_path / 'earlier'}"])
    assert f"step 8 of {finished} is saved in {tmp_path / 'earlier'}" in capsys.readouterr().out
    assert tensors(tmp_path / "earlier") != tensors(finished / "student")
    card = (tmp_path / "earlier" / "README.md").read_text()
    assert "step 8" in card
    assert "held-out masked_lm" in card


def test_the_latest_step_is_the_default(finished: Path, tmp_path: Path) -> None:
    main([f"--workdir={finished}", f"--output={tmp_path / 'latest'}", "--dtype=float16"])
    half = pretrained.load(tmp_path / "latest")
    whole = pretrained.load(finished / "student")
    assert half.config == whole.config
    assert (tmp_path / "latest" / "model.safetensors").stat().st_size < (
        0.6 * (finished / "student" / "model.safetensors").stat().st_size
    )


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--workdir={run}", "--step=5", "--output={out}"], 1, ["step 5", "8, 12"]),
        (["--workdir={out}", "--output={out}"], 1, ["no checkpoints", "--workdir"]),
        (["--workdir={run}", "--output={run}"], 1, ["choose another name"]),
        (["--workdir={run}"], 2, ["--output"]),
        (["--workdir={run}", "--output="], 2, ["--output", "empty"]),
        (["--workdir={run}", "--step=last", "--output={out}"], 2, ["--step", "last"]),
        (["--output={out}"], 2, ["--workdir", "--model"]),
        (["--workdir={run}", "--format=onnx", "--output={out}"], 2, ["--format goes with --model"]),
        (["--model={model}", "--step=3", "--output={out}"], 2, ["--step goes with --workdir"]),
        (["--model={model}", "--output={out}"], 2, ["--format=onnx"]),
        (["--model={model}", *ONNX, "--quantize=int4"], 2, ["--quantize", "int4"]),
        (["--model={model}", *ONNX, "--quantize=int8-static"], 1, ["--calibration"]),
        (["--model={model}", *ONNX, "--calibration=a"], 2, ["--calibration goes with"]),
        (["--model={model}", *ONNX, "--gate=0.9"], 2, ["--gate goes with --quantize=int8"]),
        (["--model={model}", *ONNX, "--target=arm"], 2, ["--target goes with --quantize=int8"]),
        (["--model={model}", *ONNX, "--quantize=int8", "--gate=2"], 2, ["--gate", "'2' is not"]),
        (["--model={model}", *ONNX, "--quantize=int8", "--gate=0.9"], 1, ["needs --calibration"]),
        (["--model={model}", *ONNX, "--layout=optimum"], 2, ["--layout", "optimum"]),
        (["--model={model}", *STATIC, "--calibration={out}"], 1, ["{out} does not exist"]),
        (["--model={model}", *STATIC, "--texts=0"], 2, ["--texts", "'0' is not"]),
        (["--model={out}", *ONNX], 1, ["{out} does not exist"]),
        (["--model={run}", *ONNX], 1, ["config.json"]),
        (["--model={model}", "--format=onnx", "--output={run}"], 1, ["exists already"]),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    arguments: list[str],
    status: int,
    words: list[str],
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(commandline, "_keep_standard_error_for_errors", lambda: None)
    names = {"run": finished, "out": tmp_path / "out", "model": finished / "student"}
    given = [argument.format(**names) for argument in arguments]
    before = sorted(finished.rglob("*"))
    with pytest.raises(SystemExit) as exited:
        commandline.run(main, given)
    err = capfd.readouterr().err
    assert exited.value.code == status
    assert err.count("\n") == 1
    assert all(word.format(**names) in err for word in words), err
    assert not list(tmp_path.iterdir())
    assert sorted(finished.rglob("*")) == before


def test_a_model_folder_becomes_an_onnx_folder(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.jsonl").write_text('{"text": "the river in the city"}\n' * 9)
    main(
        [
            f"--model={finished / 'student'}",
            "--format=onnx",
            "--quantize=int8-static",
            f"--calibration={tmp_path / 'text.jsonl'}",
            f"--output={tmp_path / 'an export'}",
        ]
    )
    size = (tmp_path / "an export" / "model.onnx").stat().st_size
    message = f"{tmp_path / 'an export'}: {size:,} bytes, masked_lm, int8-static"
    assert message in capsys.readouterr().out
    card = (tmp_path / "an export" / "README.md").read_text()
    before = pretrained.scores_of((finished / "student" / "README.md").read_text())
    assert before
    for measure, value in before.items():
        assert f"| {measure}, before the export | {value} |" in card
    assert f"--quantize=int8-static --calibration={tmp_path / 'text.jsonl'}" in card
    assert f"'--output={tmp_path / 'an export'}'" in card  # as a shell takes it
