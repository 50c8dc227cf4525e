"""Files that a run makes of what its checkpoints hold: a damaged one is made again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from distil_jax.errors import UserError
from distil_jax.notes import note
from distil_jax.report.json_files import read_object


def read(
    path: Path, check: Callable[[dict[str, Any], Path], object] = lambda content, path: None
) -> dict[str, Any] | None:
    """A JSON object, None where the file is missing, or damaged, which is said.

    `check` raises `UserError` for an object that is not the file's.
    """
    if not path.is_file():
        return None
    try:
        content = read_object(path)
        check(content, path)
    except UserError as error:
        note(f"{error}; it is made again")
        return None
    return content
