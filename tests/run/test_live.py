"""live: a run in a process of its own, as a notebook sees it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from distil_jax.errors import UserError
from distil_jax.run import live

Flags = Callable[..., list[str]]
PNG = b"\x89PNG"


def given(flags: Flags, workdir: Path, **changes: object) -> list[str]:
    """The flags of a tiny run, without its workdir."""
    return [flag for flag in flags(workdir, **changes) if not flag.startswith("--workdir=")]


@pytest.mark.slow
def test_all_that_it_says_and_curves_that_grow(tmp_path: Path, flags: Flags) -> None:
    updates = list(live.distil(tmp_path / "w", *given(flags, tmp_path), every_seconds=0.05))
    text = "".join(update.text for update in updates)
    assert text.count("\n") == len(text.splitlines()) > 12
    for step in range(1, 13):
        assert text.count(f"step {step}/12 ") == 1
    drawn = [update.curves for update in updates if update.curves]
    assert all(picture.startswith(PNG) for picture in drawn)
    assert drawn[-1] == (tmp_path / "w" / "curves.png").read_bytes()
    assert len(drawn) == len(set(drawn)) > 1


@pytest.mark.slow
def test_a_reader_that_stops_stops_the_run(tmp_path: Path, flags: Flags) -> None:
    workdir = tmp_path / "w"
    run = live.distil(workdir, *given(flags, tmp_path, total_steps=100_000), every_seconds=0.05)
    next(update for update in run if update.curves)
    run.close()
    assert not (workdir / "run.lock").exists()
    assert list((workdir / "checkpoints").iterdir())


def test_its_error_is_raised_with_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"status 2: error: .*config\.sed.*did you mean"):
        list(live.distil(tmp_path / "w", "--config=base", "--config.sed=1", every_seconds=0.05))
