"""A prepared folder in the making: who did what, what is finished, and putting it together.

    DIR/train/, DIR/validation/   shards, each whole or absent
    DIR/unfinished/               settings, one record per finished part, one note per process
    DIR/manifest.json             written last; then unfinished/ goes

A part is finished once its record exists, and its record is written after its shards. Processes
need no lock: they write the same bytes to the same names.
"""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from distil_jax.data import atomic, manifest
from distil_jax.errors import UserError

_UNFINISHED = "unfinished"
_SETTINGS = "settings.json"


class Workspace:
    """The files under an output folder, and those this process created (for `roll_back`)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.unfinished = folder / _UNFINISHED
        self.created: list[Path] = []

    @property
    def is_complete(self) -> bool:
        return (self.folder / manifest.FILE).is_file()

    def check(self, settings: dict[str, Any]) -> None:
        """Raise UserError unless the folder is new or belongs to these settings."""
        if self.folder.exists() and not self.folder.is_dir():
            raise UserError(f"output {self.folder} is a file; name a folder")
        if self.is_complete:
            # Rows of builtin:docs stay good when other packages are installed beside this one.
            found = _without_versions(manifest.load(self.folder).settings)
            settings = _without_versions(settings)
        elif (self.unfinished / _SETTINGS).is_file():
            found = _read(self.unfinished / _SETTINGS)
        elif self.folder.is_dir() and any(self.folder.iterdir()):
            raise UserError(f"output {self.folder} holds something else; name a new folder")
        else:
            return
        if differences := _differences(found, settings):
            raise UserError(
                f"output {self.folder} was prepared with other settings: {'; '.join(differences)}; "
                "name a new folder or remove it"
            )

    def begin(self, settings: dict[str, Any]) -> None:
        """Make the folders and write the settings down."""
        for folder in (*reversed(self.folder.parents), self.folder, self.unfinished):
            self._make(folder)
        for split in manifest.SPLITS:
            self._make(self.folder / split)
        if not (self.unfinished / _SETTINGS).is_file():
            self.write(self.unfinished / _SETTINGS, _canonical(settings))

    def write(self, path: Path, content: bytes) -> None:
        """Write a file atomically; `roll_back` removes it if it was not there before."""
        atomic.write(self.will_create(path), content)

    def will_create(self, path: Path) -> Path:
        """Note a path for `roll_back` unless it already exists."""
        if not path.exists():
            self.created.append(path)
        return path

    def has_record(self, key: str) -> bool:
        return self._record(key).is_file()

    def record(self, key: str) -> dict[str, Any]:
        """What `finish` wrote for a part."""
        return _read(self._record(key))

    def finish(self, key: str, record: dict[str, Any]) -> None:
        self.write(self._record(key), _canonical(record))

    def note_done(self, keys: Iterable[str], shard_index: int, shard_count: int) -> None:
        """Note that this process has finished all its parts, and which they are."""
        self.write(self._note(shard_index, shard_count), _canonical({"keys": sorted(keys)}))

    def finished_keys(self, shard_count: int) -> list[str] | None:
        """All parts' keys in order once every one of the processes is done, else None."""
        notes = [self._note(index, shard_count) for index in range(shard_count)]
        if not all(note.is_file() for note in notes):
            return None
        return sorted({key for note in notes for key in _read(note)["keys"]})

    def waiting_for(self, shard_count: int) -> list[int]:
        return [i for i in range(shard_count) if not self._note(i, shard_count).is_file()]

    def remove_unfinished(self) -> None:
        """Clear what only the making needed, leftovers of killed processes included."""
        shutil.rmtree(self.unfinished, ignore_errors=True)
        for stray in self.folder.rglob(f"{atomic.MARK}*"):
            stray.unlink(missing_ok=True)

    def roll_back(self) -> None:
        """Remove what this process created, and nothing else."""
        for path in reversed(self.created):
            if path.is_dir():
                if not any(path.iterdir()):
                    path.rmdir()
            else:
                path.unlink(missing_ok=True)

    def _make(self, folder: Path) -> None:
        if not folder.is_dir():
            folder.mkdir(exist_ok=True)
            self.created.append(folder)

    def _record(self, key: str) -> Path:
        return self.unfinished / f"{key}.json"

    def _note(self, shard_index: int, shard_count: int) -> Path:
        return self.unfinished / f"done-{shard_index:05d}-of-{shard_count:05d}"


def _canonical(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def _read(path: Path) -> dict[str, Any]:
    """What `_canonical` made; raises UserError if it has been damaged since."""
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(content, dict):
        raise _damaged(path, "it is no JSON object")
    return content


def _damaged(path: Path, how: str) -> UserError:
    return UserError(f"{path} is damaged ({how}); remove the folder and prepare it again")


def _differences(found: dict[str, Any], given: dict[str, Any]) -> list[str]:
    found, given = (json.loads(_canonical(settings)) for settings in (found, given))
    return [
        f"{key} {_shown(found.get(key))}, now {_shown(given.get(key))}"
        for key in sorted({*found, *given})
        if found.get(key) != given.get(key)
    ]


def _shown(value: Any) -> str:
    text = (
        ", ".join(str(v.get("name", v)) for v in value) if isinstance(value, list) else str(value)
    )
    return text if len(text) <= 80 else f"{text[:77]}..."


def _without_versions(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with builtin:docs told by its name and extraction alone."""
    kept = ("name", "extraction")
    inputs = [
        {key: one[key] for key in kept} if one["name"] == "builtin:docs" else one
        for one in settings["inputs"]
    ]
    return {**settings, "inputs": inputs}
