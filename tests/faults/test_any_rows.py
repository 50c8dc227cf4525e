"""Whatever happened to a prepared folder, it opens or says in one clear error what is wrong."""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from distil_jax.data import store
from distil_jax.data.manifest import SPLITS
from distil_jax.errors import UserError

# DISTIL_JAX_FUZZ=5000 python -m pytest tests/faults -n 2 is the long run.
EXAMPLES = int(os.environ.get("DISTIL_JAX_FUZZ", "25"))
fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def copy(rows_folder: Path, tmp_path: Path) -> Callable[[], Path]:
    """A fresh copy of a prepared folder at each call."""

    def again() -> Path:
        shutil.rmtree(tmp_path / "rows", ignore_errors=True)
        return shutil.copytree(rows_folder, tmp_path / "rows")

    return again


def use(folder: Path) -> None:
    """All that a run reads of it; a UserError is fine, and nothing else is."""
    with contextlib.suppress(UserError):
        for name in SPLITS:
            split = store.open_split(folder, name)
            if split.rows:
                batch = split.gather(np.arange(min(split.rows, 64)))
                assert batch["tokens"].shape == batch["segments"].shape
                split.gather([split.rows - 1])
        store.token_counts(folder)


@fuzzed
@given(st.data())
def test_any_value_in_the_manifest(
    copy: Callable[[], Path], spoil_json: Callable[..., None], data: st.DataObject
) -> None:
    folder = copy()
    manifest = json.loads((folder / "manifest.json").read_text())
    spoil_json(manifest, data)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    use(folder)


@fuzzed
@given(st.data())
def test_any_damage_to_any_file(
    copy: Callable[[], Path], spoil_file: Callable[..., None], data: st.DataObject
) -> None:
    folder = copy()
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    spoil_file(data.draw(st.sampled_from(files)), data)
    use(folder)


@fuzzed
@given(st.data())
def test_any_change_that_the_digests_vouch_for(
    copy: Callable[[], Path], data: st.DataObject
) -> None:
    """Size and SHA-256 in the manifest agree, as if another program had written the shard."""
    folder = copy()
    manifest = json.loads((folder / "manifest.json").read_text())
    shard = manifest["splits"]["train"]["shards"][0]
    file = folder / "train" / shard["file"]
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, min(len(content), 3000) - 1))
        content[place] = data.draw(st.integers(0, 255))
    del content[len(content) - data.draw(st.sampled_from([0, 0, 1, 100, 5000])) :]
    file.write_bytes(content)
    shard |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    use(folder)
