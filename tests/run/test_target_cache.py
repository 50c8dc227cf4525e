"""Targets stored once: a run from them has the losses that one with its teacher has."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from distil_jax import cache
from distil_jax.configuration import source
from distil_jax.errors import UserError
from distil_jax.main import main
from distil_jax.run.setup import load_inputs
from distil_jax.run.target_cache import _rows_folder
from distil_jax.target_store import open_store
from distil_jax.training import precision

LOSSES = ("loss", "soft_target", "masked_lm", "cosine")
Flags = Callable[..., list[str]]


def _cache_flags(flags: Flags, output: Path, *more: str, **changes: object) -> list[str]:
    config, _, *keys = flags(output, **changes)
    return [config, f"--output={output}", *keys, *more]


def _lines(workdir: Path) -> list[dict]:
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def stored(
    tmp_path_factory: pytest.TempPathFactory,
    flags: Flags,
) -> Path:
    """The targets of the tiny run `finished`."""
    folder = tmp_path_factory.mktemp("targets") / "stored"
    cache.main(_cache_flags(flags, folder))
    return folder


@pytest.fixture(scope="module")
def from_stored(
    tmp_path_factory: pytest.TempPathFactory,
    flags: Flags,
    stored: Path,
) -> Path:
    """The workdir of the same run by its stored targets."""
    workdir = tmp_path_factory.mktemp("from_stored") / "run"
    main(flags(workdir, targets=stored))
    return workdir


def test_the_same_losses_without_a_teacher(finished: Path, from_stored: Path) -> None:
    """To float16's precision at the first step; held-out figures of students a little apart."""
    pairs = list(zip(_lines(finished), _lines(from_stored), strict=True))
    assert len(pairs) == 12
    first, of_stored = pairs[0]
    for name in (*LOSSES, "gradient_norm"):
        assert of_stored[name] == pytest.approx(first[name], rel=5e-4, abs=1e-5), name
    for live, found in pairs:
        for name in live:
            if name.startswith("validation_") and name != "validation_seconds":
                assert found[name] == pytest.approx(live[name], rel=2e-3, abs=2e-3), name


@pytest.mark.slow
def test_every_steps_losses_where_the_student_stands_still(
    flags: Flags, stored: Path, tmp_path: Path
) -> None:
    """Adam makes much of what rounding changes in gradients near zero; here it moves nothing."""
    still = {"optimizer.learning_rate": 1e-12, "eval.every_steps": 99}
    main(flags(tmp_path / "live", **still))
    main(flags(tmp_path / "stored", **still, targets=stored))
    pairs = list(zip(_lines(tmp_path / "live"), _lines(tmp_path / "stored"), strict=True))
    assert len(pairs) == 12
    for live, of_stored in pairs:
        for name in (*LOSSES, "gradient_norm"):
            expected = pytest.approx(live[name], rel=5e-4, abs=1e-5)
            assert of_stored[name] == expected, (live["step"], name)


def test_what_is_left_names_the_teacher(finished: Path, from_stored: Path) -> None:
    live, found = (
        json.loads((folder / "results.json").read_text())["models"]["teacher"]
        for folder in (finished, from_stored)
    )
    assert found["parameters"] == live["parameters"]
    assert found["masked_lm"] == pytest.approx(live["masked_lm"], rel=1e-5)
    assert (from_stored / "report.html").is_file()
    assert (from_stored / "student" / "model.safetensors").is_file()
    identity = [json.loads((each / "config.json").read_text()) for each in (finished, from_stored)]
    assert identity[0]["teacher"] == identity[1]["teacher"]
    assert identity[0]["targets"] is None
    assert len(identity[1]["targets"]) == 64


def test_auto_stays_what_they_were_begun_in(
    stored: Path, flags: Flags, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr(precision, "_ratio", lambda: 9.0)
    cache.main(_cache_flags(flags, stored, **{"precision.teacher": "auto"}))
    assert f"stored {stored}" in capsys.readouterr().out


def test_it_says_what_it_costs(stored: Path, flags: Flags, capsys) -> None:
    cache.main(_cache_flags(flags, stored))
    said = capsys.readouterr().out
    settings = open_store(stored).manifest.settings
    token = settings["top_k"] * 4 + 8 + 32 * 2  # ids and shares, two sums, a hidden state
    assert f"{token:,.0f} bytes a token" in said
    assert "it pays from epoch 2 on" in said
    assert "at all positions" in said


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 1}, "other masks: config.seed was 0 and is 1"),
        ({"masking.percent": 20}, "other masks: config.masking.percent was 15 and is 20"),
        ({"loss.temperature": 3.0, "teacher": ""}, "config.student.folder|tokenizer"),
        ({"total_steps": 200}, "config.masking.epochs=1"),
        ({"loss.relations": 1.0, "loss.options.relations.heads": 4}, "config.loss.relations needs"),
    ],
)
def test_what_differs_is_named(
    stored: Path, flags: Flags, tmp_path: Path, changes: dict, named: str
) -> None:
    with pytest.raises(UserError, match=named):
        main(flags(tmp_path / "run", targets=stored, **changes))
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_another_teacher_is_named(
    stored: Path, flags: Flags, finished: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="the teacher's weights differ"):
        main(flags(tmp_path / "run", targets=stored, teacher=finished / "student"))


def test_a_layer_that_there_is_not_is_refused_before_text_is_prepared(
    tmp_path: Path, flags: Flags, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("distil_jax.run.target_cache.prepare_rows", None)
    for flag in ("--layers=99", "--attention_layers=99"):
        with pytest.raises(UserError, match="of layer 99 are requested of an encoder of"):
            cache.main(_cache_flags(flags, tmp_path / "targets", flag))


def test_text_is_prepared_in_a_folder_by_all_that_decides_its_rows(
    flags: Flags, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTIL_JAX_CACHE", str(tmp_path))
    (tmp_path / "a.jsonl").write_text('{"text": "the old city", "body": "of the river"}')
    config, _, *keys = flags(tmp_path, **{"data.train": tmp_path / "a.jsonl"})
    inputs = load_inputs(source.read(config.removeprefix("--config="), keys))

    def folder(**changes: object) -> Path:
        data = dataclasses.replace(inputs.config.data, **changes)
        return _rows_folder(
            dataclasses.replace(inputs, config=dataclasses.replace(inputs.config, data=data))
        )

    changes = ({}, {"column": "body"}, {"shortest_tokens": 5}, {"heldout": 0.5})
    assert len({folder(**each) for each in changes}) == len(changes)
    assert folder() == folder(column="text")
