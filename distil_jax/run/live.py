"""A run as a notebook sees it: what it says, and its loss curves as they grow."""

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from distil_jax.errors import UserError
from distil_jax.report import runs
from distil_jax.report.sections import loss_curves


@dataclass(frozen=True)
class ProgressUpdate:
    """What a run did since the last update.

    Attributes:
      text: what it printed, errors included, as it came.
      curves: a PNG of all its losses so far; None if it logged no step.
    """

    text: str
    curves: bytes | None


def distil(
    workdir: Path | str, *flags: str, every_seconds: float = 2.0
) -> Iterator[ProgressUpdate]:
    """Run `python -m distil_jax.main --workdir=WORKDIR FLAGS` and yield updates while it runs.

    The run is a process of its own, which gives its TPU back when it ends. A reader that stops, by
    an interrupt or an error, stops it too; repeat the same call to resume from its last
    checkpoint. Raises `UserError` with its last line if it ends with another status than 0.
    """
    command = [sys.executable, "-m", "distil_jax.main", f"--workdir={workdir}", *flags]
    with (
        NamedTemporaryFile() as output,
        open(output.name, encoding="utf8", errors="replace") as reader,
    ):
        run = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            last, logged, ended = "", 0, False
            while not ended:
                ended = run.poll() is not None  # before looking, so that nothing is missed
                logged, picture = _curves(Path(workdir).expanduser(), logged)
                text = reader.read()
                last = text.strip().rpartition("\n")[2] or last
                yield ProgressUpdate(text, picture)
                time.sleep(0 if ended else every_seconds)
        finally:
            run.terminate()
            run.wait()
    if run.returncode:
        raise UserError(f"the run ended with status {run.returncode}: {last}")


def _curves(workdir: Path, known: int) -> tuple[int, bytes | None]:
    """How many lines a run has logged, and its curves if these are more than `known`."""
    if not (workdir / "metrics.jsonl").is_file():
        return known, None
    run = runs.read_run(workdir)
    if len(run.lines) <= known:
        return known, None
    return len(run.lines), loss_curves.png(
        run.lines, run.initial, run.objectives, title=run.teacher
    )
