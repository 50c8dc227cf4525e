"""What a run can make again does not stop it, whatever became of it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from distil_jax import notes
from distil_jax.main import main
from distil_jax.report.json_files import part
from distil_jax.run import identity, own_files

DAMAGES = ["", '{"a": [1', "[1]", "\0\0\0", "[" * 100_000]


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "_said", set())


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named_and_taken_for_missing(
    tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.json"
    assert own_files.read(path) is None
    assert capsys.readouterr().err == ""
    path.write_text(damage)
    assert own_files.read(path) is None
    said = capsys.readouterr().err
    assert said.startswith(f"note: {path} is damaged")
    assert said.endswith("; it is made again\n")
    path.write_text('{"steps": 3}')
    assert own_files.read(path) == {"steps": 3}
    assert own_files.read(path, lambda found, file: part(found, "models", dict, file)) is None


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_config_is_written_again_and_what_it_vouched_for_goes(
    tmp_path: Path, damage: str
) -> None:
    (tmp_path / "config.json").write_text(damage)
    (tmp_path / "baseline.json").touch()
    identity.settle(tmp_path, {"run": {"seed": 0}})
    assert json.loads((tmp_path / "config.json").read_text()) == {"run": {"seed": 0}}
    assert not (tmp_path / "baseline.json").exists()


@pytest.mark.usefixtures("blank_figures")
@pytest.mark.parametrize("name", ["results.json", "health.json"])
def test_a_finished_run_makes_a_damaged_result_again(
    name: str, finished: Path, flags: Callable[..., list[str]], tmp_path: Path
) -> None:
    workdir = tmp_path / "run"
    shutil.copytree(finished, workdir)
    (workdir / name).write_text("{")
    (workdir / "baseline.json").write_text("{}")
    (workdir / "objectives.json").write_text("")
    main(flags(workdir))
    for again in (name, "baseline.json"):
        made, before = (json.loads((folder / again).read_text()) for folder in (workdir, finished))
        assert made.keys() == before.keys()
    for again in ("baseline.json", "objectives.json"):
        assert (workdir / again).read_bytes() == (finished / again).read_bytes()
