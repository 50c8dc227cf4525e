"""Stored attention and hidden states: runs, plans and sweeps that use them in a teacher's place."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from distil_jax import cache, plan
from distil_jax.configuration import source as config_source
from distil_jax.errors import UsageError, UserError
from distil_jax.main import main
from distil_jax.planning.flops import config_flops
from distil_jax.planning.model_shapes import model_shapes
from distil_jax.run.stored_targets import open_stored
from distil_jax.run.sweep import sweep
from distil_jax.target_store import open_store

COMPARED = ("relations", "attention_mse", "patient")
CHANGES = {
    "loss.soft_target": 0,
    "loss.cosine": 0,
    **{f"loss.{name}": 1 for name in COMPARED},
    "total_steps": 4,
    "student.dropout": 0,
    "student.attention_dropout": 0,
}
Flags = Callable[..., list[str]]


@pytest.fixture(scope="module")
def stored(
    tmp_path_factory: pytest.TempPathFactory,
    flags: Flags,
) -> Path:
    """What the objectives need of the tiny teacher, and the first hidden states besides."""
    folder = tmp_path_factory.mktemp("layers") / "stored"
    config, _, *keys = flags(folder, **CHANGES)
    cache.main([config, f"--output={folder}", *keys, "--layers=0,1", "--dtype=float32"])
    return folder


def test_what_is_stored_is_what_is_needed(stored: Path) -> None:
    settings = open_store(stored).manifest.settings
    assert settings["projected"] == [2, 4]
    assert settings["layers"] == [0, 1, 2]  # patient's, and those that were asked for
    assert settings["top_k"] == 0


@pytest.mark.slow
def test_the_same_losses_over_devices_and_micro_batches(
    stored: Path, flags: Flags, tmp_path: Path, blank_figures: None
) -> None:
    """Stored in float32: a run by pmap over two devices equals the live one on one device."""
    main(flags(tmp_path / "live", **CHANGES))
    split = {"parallel.devices": 2, "parallel.mode": "pmap", "batch.micro_size": 2}
    main(flags(tmp_path / "stored", targets=stored, **CHANGES, **split))
    live, found = (
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("live", "stored")
    )
    assert len(live) == len(found) == 4
    for ours, theirs in zip(live, found, strict=True):
        for name in ("loss", "masked_lm", *COMPARED):
            assert theirs[name] == pytest.approx(ours[name], rel=1e-4), (ours["step"], name)
    maps = [json.loads((tmp_path / n / "results.json").read_text()) for n in ("live", "stored")]
    assert maps[0]["layers"] == maps[1]["layers"]
    assert set(COMPARED) <= set(maps[0]["layers"])


def test_a_plan_has_no_teacher_and_the_rows_with_what_is_stored(
    stored: Path, flags: Flags, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTIL_JAX_CACHE", "")
    found = {}
    for name, more in {"live": {}, "stored": {"targets": stored}}.items():
        config, _, *keys = flags(stored, **CHANGES, **more)
        plan.main([config, *keys, "--topology=h100-1", "--no-compile", "--json"])
        found[name] = json.loads(capsys.readouterr().out)
    live, without = found["live"], found["stored"]
    assert without["memory_bytes"]["teacher"] == 0 < live["memory_bytes"]["teacher"]
    columns = 8 * sum(
        column.row_bytes for column in open_store(stored).tables["validation"].columns
    )
    assert without["memory_bytes"]["batch"] == live["memory_bytes"]["batch"] + columns
    settings = config_source.read("base", keys)
    models = model_shapes(settings)
    alone = config_flops(
        settings, None, models.student, length=32, shapes=models.compared(settings)
    )
    assert (alone.teacher, without["minimum_flops"]) == (0, alone.total * 8 * 32)
    plan.main([config, *keys, "--topology=h100-1", "--no-compile"])
    assert "bytes a token; no teacher in memory" in capsys.readouterr().out


def test_what_is_not_stored_is_named(stored: Path, flags: Flags, tmp_path: Path) -> None:
    config, workdir, *keys = flags(tmp_path / "run", targets=stored, **CHANGES)
    keys.append("--config.loss.options.relations.teacher_layer=3")
    held = r"they hold queries keys values of layers? [0-9, ]+, "
    named = held + r"config\.loss\.relations needs those of layer 3"
    with pytest.raises(UserError, match=named):
        plan.main([config, *keys, "--topology=h100-1", "--no-compile"])
    with pytest.raises(UserError, match=named):
        main([config, workdir, *keys])
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_sweep_names_the_variant_that_is_not_stored(
    stored: Path, flags: Flags, tmp_path: Path
) -> None:
    config, _, *keys = flags(tmp_path, targets=stored, **CHANGES)
    settings = config_source.read(config.partition("=")[2], keys)
    with pytest.raises(UsageError, match=r"masks of seed 0 alone; sweep with --seeds=1"):
        sweep(settings, tmp_path / "sweep", seeds=2, layers=None, command="")
    with pytest.raises(UserError, match=r"states, evenly_spaced: .*config\.loss\.patient needs"):
        sweep(settings, tmp_path / "sweep", seeds=1, layers=None, command="")
    assert not (tmp_path / "sweep" / "runs").exists()


def test_layers_that_the_teacher_lacks_are_refused(flags: Flags, tmp_path: Path) -> None:
    config, _, *keys = flags(tmp_path, **CHANGES)
    with pytest.raises(UserError, match="layer 5 are requested of an encoder of 4 layers"):
        cache.main([config, *keys, f"--output={tmp_path / 'targets'}", "--layers=5"])
    with pytest.raises(UsageError, match="is no list of layers such as 0,2,4, nor all"):
        cache.main([config, *keys, f"--output={tmp_path / 'targets'}", "--layers=-1"])
    assert not (tmp_path / "targets").exists()


def test_an_open_store_knows_its_students_layers(stored: Path) -> None:
    assert open_stored(str(stored)).source.projected == (2, 4)


@pytest.mark.slow
def test_distributions_that_no_objective_can_use_are_left_out(
    flags: Flags, tmp_path: Path, blank_figures: None
) -> None:
    """Stored at masked positions, or for another temperature: validation measures none of them."""
    folder = tmp_path / "stored"
    config, _, *keys = flags(folder, **{"loss.positions": "masked", "total_steps": 1})
    cache.main([config, f"--output={folder}", *keys, "--top_k=8"])
    alone = {"loss.soft_target": 0.0, "loss.masked_lm": 0.0, "total_steps": 1, "targets": folder}
    main(flags(tmp_path / "run", **alone))
    line = json.loads((tmp_path / "run" / "metrics.jsonl").read_text())
    assert line["validation_cosine"] > 0
    assert not {"validation_soft_target", "validation_agreement"} & set(line)
    *_, changed = (
        config_source.read("base", [f"--config.{key}={value}" for key, value in changes.items()])
        for changes in (alone, alone | {"loss.positions": "masked", "loss.temperature": 3.0})
    )
    assert open_stored(str(folder)).fitting(changed).source.top_k == 0
