"""plan_cache: the same program is compiled once; anything that decides it makes another."""

from collections.abc import Callable
from pathlib import Path

import pytest

from distil_jax.planning import plan_cache
from distil_jax.planning.hlo_counts import Collective
from distil_jax.planning.measure import Measured, Memory
from distil_jax.planning.model_shapes import ModelShapes

FOUND = Measured(
    True,
    Memory(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0),
    8.0,
    9.0,
    (Collective("all-reduce", 10, 1, False),),
    11.0,
    12.0,
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DISTIL_JAX_CACHE", str(tmp_path))
    return tmp_path / "plans"


def refuse() -> Measured:
    raise AssertionError("compiled again")


def test_figures_are_kept_and_come_back_the_same(folder: Path) -> None:
    assert plan_cache.cached("key", lambda: FOUND) == FOUND
    assert plan_cache.cached("key", refuse) == FOUND


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"fits": true}'])
def test_a_damaged_file_is_measured_anew(folder: Path, damage: str) -> None:
    plan_cache.cached("key", lambda: FOUND)
    (folder / "key.json").write_text(damage)
    assert plan_cache.cached("key", lambda: FOUND) == FOUND
    assert plan_cache.cached("key", refuse) == FOUND


def test_an_unwritable_folder_costs_a_compilation_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DISTIL_JAX_CACHE", str(tmp_path / "file"))
    assert plan_cache.cached("key", lambda: FOUND) == FOUND


def test_without_a_folder_nothing_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTIL_JAX_CACHE", "")
    assert plan_cache.cached("key", lambda: FOUND) == FOUND
    assert not folder.exists()


def test_the_key_follows_what_decides_the_program(
    tiny_config: Callable, tiny_models: ModelShapes, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config()
    key = plan_cache.key_of(config, tiny_models, "v4-8", 128)
    assert key == plan_cache.key_of(tiny_config(), tiny_models, "v4-8", 128)
    assert key == plan_cache.key_of(tiny_config(**{"log.every_steps": 7}), tiny_models, "v4-8", 128)
    others = [
        plan_cache.key_of(tiny_config(**{"loss.chunk": 32}), tiny_models, "v4-8", 128),
        plan_cache.key_of(config, ModelShapes(None, tiny_models.student), "v4-8", 128),
        plan_cache.key_of(config, tiny_models, "v4-16", 128),
        plan_cache.key_of(config, tiny_models, "v4-8", 256),
    ]
    vectors = {"loss.soft_target": 0.0, "loss.masked_lm": 0.0, "loss.cosine": 0.0}
    vectors |= {"loss.vector_cosine": 1.0}
    others += [
        plan_cache.key_of(
            tiny_config(**vectors, **{"data.shortest_tokens": least}), tiny_models, "v4-8", 128
        )
        for least in (8, 16)
    ]
    monkeypatch.setattr(plan_cache, "_code_digest", lambda: "another package")
    others.append(plan_cache.key_of(config, tiny_models, "v4-8", 128))
    monkeypatch.setattr(plan_cache, "_version", lambda name: f"{name} 9")
    others.append(plan_cache.key_of(config, tiny_models, "v4-8", 128))
    assert len({key, *others}) == 1 + len(others)


def test_the_code_that_makes_a_program_is_all_there() -> None:
    package = Path(plan_cache.__file__).parents[1]
    assert all((package / source).exists() for source in plan_cache.SOURCES)
