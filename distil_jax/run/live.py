"""A run as a notebook sees it: what it says, and its loss curves as they grow."""

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from distil_jax.errors import UserError
from distil_jax.report import curves, runs


@dataclass(frozen=True)
class News:
    """What a run did since one looked last.

    Attributes:
      text: what it printed, errors included, as it came.
      curves: a PNG of all its losses so far; None if it logged no step.
    """

    text: str
    curves: bytes | None


def distil(workdir: Path | str, *flags: str, every_seconds: float = 2.0) -> Iterator[News]:
    """Run `python -m distil_jax.main --workdir=WORKDIR FLAGS` and yield its news while it runs.

    The run is a process of its own, which gives its TPU back when it ends. A reader that stops, by
    an interrupt or an error, stops it too; the same call goes on from its last checkpoint. Raises
    `UserError` with its last line if it ends with another status than 0.
    """
    command = [sys.executable, "-m", "distil_jax.main", f"--workdir={workdir}", *flags]
    with NamedTemporaryFile() as said, open(said.name, encoding="utf8", errors="replace") as heard:
        run = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT
        )
        try:
            last, logged, ended = "", 0, False
            while not ended:
                ended = run.poll() is not None  # before looking, so that nothing is missed
                logged, drawn = _drawn(Path(workdir), logged)
                text = heard.read()
                last = text.strip().rpartition("\n")[2] or last
                yield News(text, drawn)
                time.sleep(0 if ended else every_seconds)
        finally:
            run.terminate()
            run.wait()
    if run.returncode:
        raise UserError(f"the run ended with status {run.returncode}: {last}")


def _drawn(workdir: Path, known: int) -> tuple[int, bytes | None]:
    """How many lines a run has logged, and its curves if these are more than `known`."""
    if not (workdir / "metrics.jsonl").is_file():
        return known, None
    run = runs.read(workdir)
    if len(run.lines) <= known:
        return known, None
    return len(run.lines), curves.png(run.lines, run.initial, title=run.teacher)
