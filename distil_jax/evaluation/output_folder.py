"""What the results in a folder belong to: another evaluation never mixes with them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distil_jax.errors import UserError

IDENTITY = "settings.json"


def check_identity(folder: Path, identity: Mapping[str, Any] | None) -> None:
    """Refuse a folder that holds an evaluation with other settings, or something else entirely."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--output={folder} is a file; name a folder")
    file = folder / IDENTITY
    if not file.is_file():
        if folder.is_dir() and any(entry.name != "run.lock" for entry in folder.iterdir()):
            raise UserError(f"--output={folder} holds something else; name a new or empty folder")
        return
    if identity is None:
        return
    before = _read(file)
    for name in sorted({*before, *identity}):
        if before.get(name) != identity.get(name):
            raise UserError(
                f"{folder} holds an evaluation with {name}={before.get(name, 'none')}, this one "
                f"has {identity.get(name, 'none')}; name another --output, or remove that folder"
            )


def dtype_begun_with(folder: Path) -> str:
    """What the evaluation in a folder computes in; empty for a new folder."""
    file = folder / IDENTITY
    return _read(file).get("dtype", "float32") if file.is_file() else ""


def _read(file: Path) -> dict[str, Any]:
    try:
        return json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{file} cannot be read ({error}); name another folder") from error
