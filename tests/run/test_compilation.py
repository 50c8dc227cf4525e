"""compilation: where compiled programs are kept."""

from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

from distil_jax.run.compilation import keep_compiled


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    names = (
        "jax_compilation_cache_dir",
        "jax_persistent_cache_min_compile_time_secs",
        "jax_persistent_cache_min_entry_size_bytes",
    )
    values = {name: getattr(jax.config, name) for name in names}
    yield
    for name, value in values.items():
        jax.config.update(name, value)


def test_in_the_named_folder_apart_for_each_kind_of_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    monkeypatch.setenv("DISTIL_JAX_CACHE", str(tmp_path / "cache"))
    keep_compiled()
    folder = Path(jax.config.jax_compilation_cache_dir)
    assert folder.parent == tmp_path / "cache"
    assert folder.name.startswith("xla-")
    assert not list(tmp_path.iterdir()), "nothing is made before there is a program"


@pytest.mark.parametrize(
    "environment",
    [{"DISTIL_JAX_CACHE": ""}, {"JAX_COMPILATION_CACHE_DIR": "x", "DISTIL_JAX_CACHE": "y"}],
)
def test_not_where_it_is_turned_off_or_jax_s_own_variable_is_set(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    before = jax.config.jax_compilation_cache_dir
    keep_compiled()
    assert jax.config.jax_compilation_cache_dir == before
