"""Pointers that Git leaves in place of large files where Git LFS was not there to fetch them."""

from pathlib import Path

BEGINNING = b"version https://git-lfs.github.com/spec/"
ADVICE = "a pointer of Git LFS, not the file itself; fetch it with git lfs pull"


def advice(path: Path) -> str:
    """What to say of a file that is only a pointer; empty where it is none, or cannot be read."""
    try:
        with path.open("rb") as file:
            return ADVICE if file.read(len(BEGINNING)) == BEGINNING else ""
    except OSError:
        return ""
