"""What `get_config` returns: a locked ConfigDict that understands the earlier names of its keys."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from ml_collections import ConfigDict

from distil_jax.configuration.declared import complete
from distil_jax.configuration.key import Key
from distil_jax.configuration.tree import nested

_notes: list[list[str]] = []


class Section(ConfigDict):
    """A section of the config; an earlier name of a key stands for today's, and is noted."""

    _earlier: ClassVar[Mapping[str, Key]] = {}

    def __getitem__(self, name: str) -> Any:
        """The value of a key under its name, or under the one it had."""
        return super().__getitem__(self._current(name))

    def __setitem__(self, name: str, value: Any) -> None:
        """Set a key under its name, or under the one it had."""
        name = self._current(name)
        before = self._fields.get(name)
        if isinstance(before, Section) and isinstance(value, ConfigDict):
            value = before._with(value)
        super().__setitem__(name, value)

    def _with(self, values: ConfigDict) -> "Section":
        """A section that understands the names that this one does, with other values."""
        section = Section()
        object.__setattr__(section, "_earlier", self._earlier)
        for name, value in values.items():
            section[name] = value
        return section

    def _current(self, name: str) -> str:
        key = self._earlier.get(name)
        if key is None:
            return name
        note(key)
        return key.name.split(".")[-1]


@contextmanager
def noted() -> Iterator[list[str]]:
    """Collect a line for each use of an earlier name of a key inside the block."""
    lines: list[str] = []
    _notes.append(lines)
    try:
        yield lines
    finally:
        _notes.pop()


def note(key: Key) -> None:
    """Note that an earlier name of this key was used."""
    line = f"config.{key.was} is called config.{key.name} now; the old name still works"
    if _notes and line not in _notes[-1]:
        _notes[-1].append(line)


def new_config(listed: tuple[Key, ...]) -> ConfigDict:
    """The defaults of these keys and of every registered objective's."""
    keys = complete(listed)
    values = nested({key.name: key.default for key in keys})
    return _section(values, "", {key.was: key for key in keys if key.was}).lock()


def add_missing(values: ConfigDict, keys: Iterable[Key]) -> None:
    """Add what an objective brings that was registered after the config was made."""
    with values.unlocked():
        for key in keys:
            *sections, last = key.name.split(".")
            section = values
            for name in sections:
                if name not in section:
                    section[name] = Section()
                section = section[name]
            if last not in section:
                section[last] = key.default


def _section(values: Mapping[str, Any], prefix: str, earlier: Mapping[str, Key]) -> Section:
    section = Section()
    for name, value in values.items():
        below = isinstance(value, Mapping)
        section[name] = _section(value, f"{prefix}{name}.", earlier) if below else value
    own = {
        was.removeprefix(prefix): key
        for was, key in earlier.items()
        if was.rpartition(".")[0] == prefix.rstrip(".")
    }
    object.__setattr__(section, "_earlier", own)
    return section
