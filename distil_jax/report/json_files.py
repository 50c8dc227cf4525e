"""Reading what runs leave: JSON files that may be missing, torn, or somebody else's."""

import json
from pathlib import Path
from typing import Any

from distil_jax.errors import UserError


def read_object(path: Path) -> dict[str, Any]:
    """A file that holds one JSON object; raises `UserError` naming it."""
    try:
        content = json.loads(path.read_text(encoding="utf8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise damaged(path, "it is not JSON") from error
    if not isinstance(content, dict):
        raise damaged(path, "it is not a JSON object")
    return content


def read_lines(path: Path) -> list[dict[str, Any]]:
    """A file of a JSON object per line; a torn last line is left out.

    Raises `UserError` naming the file and the line.
    """
    try:
        texts = path.read_text(encoding="utf8").splitlines()
    except (OSError, ValueError) as error:
        raise damaged(path, "it is not text") from error
    lines = []
    for number, text in enumerate(texts, 1):
        try:
            line = json.loads(text)
        except (ValueError, RecursionError) as error:
            if number == len(texts):
                break
            raise damaged(path, f"line {number} is not JSON") from error
        if not isinstance(line, dict):
            raise damaged(path, f"line {number} is not a JSON object")
        lines.append(line)
    return lines


def part(content: dict[str, Any], name: str, kind: type, path: Path) -> Any:
    """A required part of a file; raises `UserError` where it is missing or of another kind."""
    value = content.get(name)
    if isinstance(value, bool) or not isinstance(value, kind):
        raise damaged(path, f"it lacks {name!r}, or {name!r} is not of the kind it should be")
    return value


def numbers(values: object, path: Path, what: str) -> dict[str, float | int]:
    """A JSON object of numbers; raises `UserError` for anything else."""
    if not isinstance(values, dict) or not all(map(is_number, values.values())):
        raise damaged(path, f"{what} are not numbers by name")
    return values


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def damaged(path: Path, reason: str) -> UserError:
    """The error for a file that this package did not write like that."""
    return UserError(f"{path} is damaged or no file of distil_jax: {reason}")
