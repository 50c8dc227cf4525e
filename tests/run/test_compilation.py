"""compilation: where compiled programs are kept."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache

from distil_jax.main import main
from distil_jax.run.compilation import keep_below, keep_compiled

REQUESTS = "/jax/compilation_cache/compile_requests_use_cache"
HITS = "/jax/compilation_cache/cache_hits"


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


def test_beyond_the_limit_the_longest_unused_go(tmp_path: Path) -> None:
    for age, name in enumerate("abcd"):
        path = tmp_path / name
        path.write_bytes(bytes(100))
        os.utime(path, (1000 - age, 500))
    keep_below(tmp_path, 250)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    keep_below(tmp_path, 250)
    assert len(list(tmp_path.iterdir())) == 2
    keep_below(tmp_path / "absent", 0)


@pytest.mark.slow
@pytest.mark.usefixtures("blank_figures")
def test_the_second_start_compiles_nothing_anew(
    flags: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    monkeypatch.setenv("DISTIL_JAX_CACHE", str(tmp_path / "cache"))
    starts = []
    for name in ("first", "second"):
        jax.clear_caches()
        compilation_cache.reset_cache()
        with counted() as events:
            main(flags(tmp_path / name, total_steps=2))
        starts.append(events)
    compilation_cache.reset_cache()
    first, second = starts
    assert first[REQUESTS] > 30
    assert first[HITS] < first[REQUESTS]
    assert second[REQUESTS] == first[REQUESTS]
    assert second[HITS] == second[REQUESTS]


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """How often JAX reports each event within the block."""
    events: Counter[str] = Counter()

    def count(event: str, **_: str | int) -> None:
        events[event] += 1

    jax.monitoring.register_event_listener(count)
    try:
        yield events
    finally:
        jax.monitoring.unregister_event_listener(count)
