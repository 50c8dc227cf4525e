"""Which files of a folder are text, and which are passed over, and why."""

import os
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path

from distil_jax.data import content, file_kind
from distil_jax.data.content import Content

PassedOver = tuple[Path, str]
A_RUN = "a run's folder"


def text_files(folder: Path) -> tuple[list[Path], list[PassedOver]]:
    """The text files of a folder and of those in it, linked ones too; nothing that is hidden.

    Nor what a run wrote: its metrics, report and model cards are no corpus, and come while it
    reads.
    """
    files: list[Path] = []
    passed_over: list[PassedOver] = []
    seen = set()
    for inner, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(inner)
        if is_run(names):
            passed_over.append((Path(inner), A_RUN))
            seen.add(real)
        folders[:] = [] if real in seen else [name for name in folders if name[0] != "."]
        files += [Path(inner, name) for name in names if real not in seen and name[0] != "."]
        seen.add(real)
    kept: dict[tuple[int, int], Path] = {}
    for file in sorted(files):
        is_file = file.is_file()
        why = why_not(file, partial(content.look, file)) if is_file else "it is no file"
        if why is None:
            status = file.stat()
            first = kept.setdefault((status.st_dev, status.st_ino), file)
            why = None if first is file else f"another name of {first.name}"
        if why:
            passed_over.append((file, why))
    return list(kept.values()), passed_over


def is_run(names: Collection[str]) -> bool:
    """Whether a folder with these files is the workdir of a run."""
    return "run.lock" in names or {"config.json", "metrics.jsonl"} <= {*names}


def why_not(file: Path, look: Callable[[], Content]) -> str | None:
    """Why a file of a folder is not read; None if it is, empty where there is nothing to say.

    A file whose name says that it is text is read, whatever it holds: so it is refused if it is
    none. One without a suffix is read if it is text, and JSON if it is JSON lines.
    """
    if file.name.startswith("."):
        return ""
    suffix = file_kind.suffix(file)
    named = file_kind.SUFFIXES.get(suffix)
    try:
        found = None if named in content.READ else look()
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    if found is None:
        return None
    if found.refusal:
        return found.refusal.partition(";")[0]
    if suffix and named is None and found.kind == file_kind.TEXT:
        return f"the suffix {suffix} is not known as text's"
    return None


def report(folder: object, passed_over: Sequence[PassedOver], say: Callable[[str], object]) -> None:
    """Say how many files were passed over, if any."""
    if passed_over:
        say(f"input {folder}: {summary(passed_over)}; name one, or a glob, to read it")


def summary(passed_over: Sequence[PassedOver]) -> str:
    """How many files were passed over, with the name of one and why; empty for none."""
    if not passed_over:
        return ""
    file, why = passed_over[0]
    files = "file" if len(passed_over) == 1 else "files"
    reason = why if why.startswith(("it ", "the ")) else f"it is {why}"
    return f"{len(passed_over):,} {files} passed over, as {file} ({reason})"
