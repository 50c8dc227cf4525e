"""Whatever happened to a folder of targets, it opens or says in one clear error what is wrong."""

import contextlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from distil_jax import cache
from distil_jax.configuration import source as config_source
from distil_jax.errors import UserError
from distil_jax.run.stored_targets import content_settings, open_stored
from distil_jax.target_store import Column, open_texts, write_texts
from distil_jax.target_store.manifest import DIGEST

EXAMPLES = int(os.environ.get("DISTIL_JAX_FUZZ", "10"))
fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
TEXTS = ["the river", "old", ("in the city", "is")]


@pytest.fixture(scope="module")
def command_line(
    flags: Callable[..., list[str]], tmp_path_factory: pytest.TempPathFactory
) -> list[str]:
    config, _, *keys = flags(tmp_path_factory.mktemp("none"))
    return [config, *keys]


@pytest.fixture(scope="module")
def of_rows(tmp_path_factory: pytest.TempPathFactory, command_line: list[str]) -> Path:
    folder = tmp_path_factory.mktemp("targets") / "rows"
    cache.main([*command_line, f"--output={folder}", "--top_k=4", "--epochs=1"])
    return folder


@pytest.fixture(scope="module")
def of_texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("targets") / "texts"
    columns = [Column("vector", "float16", (3,))]
    made = np.ones((len(TEXTS), 3))
    write_texts(folder, TEXTS, columns, lambda some: {"vector": made[: len(some)]}, settings={})
    return folder


def use_rows(folder: Path, keys: list[str]) -> None:
    """What a run reads of it; a UserError is fine, and nothing else is."""
    name, *overrides = keys
    config = config_source.read(name.removeprefix("--config="), overrides)
    with contextlib.suppress(UserError):
        stored = open_stored(str(folder))
        stored = stored.for_student(stored.source.config)
        stored.check(config)
        stored.check_content(content_settings(config, ""))
    with contextlib.suppress(UserError):
        stored = open_stored(str(folder))
        stored.check_epochs(0)
        stored.training(np.asarray([0, 0]), np.asarray([1, 0]))
        stored.validation(np.asarray([0]), np.asarray([0]))
        assert stored.notes["teacher"]["parameters"] >= 0
        assert all(each["digest"] for each in stored.settings["teachers"])


def use_texts(folder: Path) -> None:
    with contextlib.suppress(UserError):
        found = open_texts(folder).gather(TEXTS, ["vector"])
        assert found["vector"].shape == (3, 3)


@pytest.fixture
def copy(of_rows: Path, of_texts: Path, tmp_path: Path) -> Callable[[bool], Path]:
    """A fresh copy of one of the folders at each call."""

    def again(by_text: bool) -> Path:
        shutil.rmtree(tmp_path / "targets", ignore_errors=True)
        return shutil.copytree(of_texts if by_text else of_rows, tmp_path / "targets")

    return again


@fuzzed
@given(st.booleans(), st.booleans(), st.data())
def test_any_value_in_the_manifest(
    copy: Callable[[bool], Path],
    spoil_json: Callable[..., None],
    command_line: list[str],
    by_text: bool,
    earlier: bool,
    data: st.DataObject,
) -> None:
    """With its checksum; or without one, as folders of earlier versions are."""
    folder = copy(by_text)
    manifest = json.loads((folder / "manifest.json").read_text())
    if earlier:
        del manifest[DIGEST]
        part = {name: manifest.pop(name) for name in ("settings", "notes")}
        spoil_json(part, data)
        manifest |= part
    else:
        spoil_json(manifest, data)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    use_texts(folder) if by_text else use_rows(folder, command_line)


@fuzzed
@given(st.booleans(), st.data())
def test_any_damage_to_any_file(
    copy: Callable[[bool], Path],
    spoil_file: Callable[..., None],
    command_line: list[str],
    by_text: bool,
    data: st.DataObject,
) -> None:
    folder = copy(by_text)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    spoil_file(data.draw(st.sampled_from(files)), data)
    use_texts(folder) if by_text else use_rows(folder, command_line)
