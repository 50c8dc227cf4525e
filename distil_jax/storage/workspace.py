"""A folder that several processes fill: who did what, what is finished, putting it together.

    DIR/NAME/...                  shards, each whole or absent
    DIR/unfinished/               settings, one record per finished part, one note per process
    DIR/manifest.json             written last; then unfinished/ goes

A part is finished once its record exists, and its record is written after its shards. Processes
need no lock: they write the same bytes to the same names.
"""

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from distil_jax.errors import UserError
from distil_jax.storage.folder import Folder

MANIFEST = "manifest.json"
ANOTHER_FOLDER = "name a new folder or remove it"
"""What to do about a folder of other settings."""

_UNFINISHED = "unfinished"
_SETTINGS = f"{_UNFINISHED}/settings.json"


@dataclass(frozen=True)
class Content:
    """What a folder is filled with.

    Attributes:
      made: what was done to it, as messages say it: "prepared".
      folders: the names of its folders.
      settings: those that the manifest of a complete folder holds; raises `UserError`.
      compared: what of some settings decides whether a complete folder is theirs.
    """

    made: str
    folders: tuple[str, ...]
    settings: Callable[[str], dict[str, Any]]
    compared: Callable[[dict[str, Any]], dict[str, Any]] = lambda settings: settings


class Workspace:
    """The files of an output folder, and those this process created (for `roll_back`).

    What is `shared` other processes fill as well: its settings and folders stay in any case.
    """

    def __init__(self, folder: Folder, content: Content, *, shared: bool = False) -> None:
        self._folder, self._content, self._shared = folder, content, shared
        self._created: list[str] = []

    @property
    def address(self) -> str:
        """The folder as the user named it."""
        return self._folder.address

    @property
    def is_complete(self) -> bool:
        return self._folder.has(MANIFEST)

    def check(self, settings: dict[str, Any]) -> None:
        """Raise UserError unless the folder is new or belongs to these settings."""
        if self._folder.is_file():
            raise UserError(f"output {self.address} is a file; name a folder")
        # In this order: others may begin and finish meanwhile.
        new, existing = self._folder.is_empty(), self.begun_with()
        if existing is None:
            if new:
                return
            raise UserError(f"output {self.address} holds something else; name a new folder")
        if self.is_complete:
            existing, settings = self._content.compared(existing), self._content.compared(settings)
        if differences := _differences(existing, settings):
            raise UserError(
                f"output {self.address} was {self._content.made} with other settings: "
                f"{'; '.join(differences)}; {ANOTHER_FOLDER}"
            )

    def begun_with(self) -> dict[str, Any] | None:
        """The settings of what is there, complete or not; None where there is nothing."""
        begun = self._folder.has(_SETTINGS)
        if self.is_complete:
            return self._content.settings(self.address)
        if not begun:
            return None
        try:
            return self._read(_SETTINGS)
        except FileNotFoundError:  # others have just finished
            return self.begun_with()

    def holds(self, settings: dict[str, Any]) -> bool:
        """Whether a preparation with these settings is under way there."""
        return self._folder.has(_SETTINGS) and not _differences(self._read(_SETTINGS), settings)

    def names(self) -> frozenset[str]:
        """All files that are there."""
        return frozenset(self._folder.sizes())

    def adopt(self, before: frozenset[str]) -> None:
        """Take what others have written since as this process's, for `roll_back`."""
        self._created += sorted(self.names() - before)

    def begin(self, settings: dict[str, Any]) -> None:
        """Make the folders and write the settings down, before any other file."""
        self._folder.make(_UNFINISHED, *self._content.folders)
        if not self._folder.has(_SETTINGS):
            self.write(_SETTINGS, _canonical(settings))

    def write(self, name: str, content: bytes | memoryview) -> None:
        """Write a file atomically; `roll_back` removes it if it was not there before."""
        if not self._folder.has(name):
            self._created.append(name)
        self._folder.write(name, content)

    def has_record(self, key: str) -> bool:
        return self._folder.has(_record(key))

    def record(self, key: str) -> dict[str, Any]:
        """What `finish` wrote for a part."""
        return self._read(_record(key))

    def finish(self, key: str, record: dict[str, Any]) -> None:
        self.write(_record(key), _canonical(record))

    def note_done(self, keys: Iterable[str], shard_index: int, shard_count: int) -> None:
        """Note that this process has finished all its parts, and which they are."""
        self.write(_note(shard_index, shard_count), _canonical({"keys": sorted(keys)}))

    def finished_keys(self, shard_count: int) -> list[str] | None:
        """All parts' keys in order once every one of the processes is done, else None."""
        if self.waiting_for(shard_count):
            return None
        notes = (self._read(_note(index, shard_count)) for index in range(shard_count))
        return sorted({key for note in notes for key in note["keys"]})

    def waiting_for(self, shard_count: int) -> list[int]:
        """The numbers of the processes that are not done."""
        notes = self._folder.sizes(_UNFINISHED)
        return [index for index in range(shard_count) if _note(index, shard_count) not in notes]

    def remove_unfinished(self) -> None:
        """Clear what only the making needed, leftovers of killed processes included."""
        self._folder.sweep()
        self._folder.remove_all(_UNFINISHED)

    def clear_if_left(self) -> None:
        """`remove_unfinished` of a complete folder whose last process was killed before it did."""
        if self._folder.sizes(_UNFINISHED):
            with suppress(OSError, UserError):  # a reader may not; the folder is complete as it is
                self.remove_unfinished()

    def roll_back(self) -> None:
        """Remove what this process created, and nothing else; a finished folder stays."""
        if self.is_complete:
            return
        for name in reversed(self._created):
            if not (self._shared and name == _SETTINGS):
                self._folder.remove(name)
        if not self._shared:
            self._folder.unmake()

    def give_up(self) -> None:
        """`roll_back` where the same command may succeed later: what has finished parts stays."""
        made = (name for name in self._created if name != _SETTINGS)
        if not any(name.startswith(f"{_UNFINISHED}/") for name in made):
            self.roll_back()

    def _read(self, name: str) -> dict[str, Any]:
        """What `_canonical` made; raises UserError if it has been damaged since."""
        try:
            content = json.loads(self._folder.read(name))
        except (ValueError, RecursionError) as error:
            raise _damaged(f"{self.address}/{name}", str(error)) from error
        if not isinstance(content, dict):
            raise _damaged(f"{self.address}/{name}", "it is no JSON object")
        return content


def _record(key: str) -> str:
    return f"{_UNFINISHED}/{key}.json"


def _note(shard_index: int, shard_count: int) -> str:
    return f"{_UNFINISHED}/done-{shard_index:05d}-of-{shard_count:05d}"


def _canonical(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def _damaged(path: str, how: str) -> UserError:
    return UserError(f"{path} is damaged ({how}); remove the folder and make it again")


def _differences(existing: dict[str, Any], given: dict[str, Any]) -> list[str]:
    existing, given = (json.loads(_canonical(settings)) for settings in (existing, given))
    return [
        f"{key} {_difference(existing.get(key), given.get(key))}"
        for key in sorted({*existing, *given})
        if existing.get(key) != given.get(key)
    ]


def _difference(before: Any, now: Any) -> str:
    """What was there and is there now; of inputs those that only one of the two has."""
    if isinstance(before, list) and isinstance(now, list) and _are_named([*before, *now]):
        before, now = (
            [value for value in before if value not in now],
            [value for value in now if value not in before],
        )
        if not before and not now:
            return "in another order"
        if _shown(before) == _shown(now):
            return f"{_shown(now)}, whose content is another now"
    return f"{_shown(before)}, now {_shown(now)}"


def _are_named(values: list[Any]) -> bool:
    return all(isinstance(value, dict) and "name" in value for value in values)


def _shown(value: Any) -> str:
    listed = value if isinstance(value, list) else [value]
    text = ", ".join(str(v.get("name", v) if isinstance(v, dict) else v) for v in listed) or "none"
    return text if len(text) <= 80 else f"{text[:77]}..."
