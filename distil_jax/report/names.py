"""Short names of folders."""

from collections.abc import Sequence
from pathlib import Path


def apart(folders: Sequence[Path]) -> list[str]:
    """The name of each resolved folder; where it repeats, as much of the path as tells apart."""
    names = [folder.name for folder in folders]
    for parts in range(2, max((len(folder.parts) for folder in folders), default=0) + 1):
        names = [
            "/".join(folder.parts[-parts:]) if names.count(name) > 1 else name
            for folder, name in zip(folders, names, strict=True)
        ]
    return names
