"""Where a split's records come from: a file, a file of a folder, or a data set of the hub."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from distil_jax.data import compression, file_kind
from distil_jax.data.records import is_saved_dataset
from distil_jax.errors import UserError
from distil_jax.tasks import files
from distil_jax.tasks.files import Record
from distil_jax.tokenizer import hub

ALIASES = {
    "train": ("train", "training"),
    "validation": ("validation", "dev", "valid", "val"),
    "validation_matched": ("validation_matched", "dev_matched"),
    "validation_mismatched": ("validation_mismatched", "dev_mismatched"),
}
TABLES = tuple(suffix for suffix, kind in file_kind.SUFFIXES.items() if kind != file_kind.TEXT)
ENDS = ("", *compression.SUFFIXES)
DATA = "data"
"""Where a repository of the hub has its Parquet files."""


@dataclass(frozen=True)
class Source:
    """A task's splits.

    Attributes:
      location: a folder, a hub id, or empty where every split has a file of its own.
      name: configuration of the hub's data set.
      given: files that the user named, by split.
    """

    location: str
    name: str | None = None
    given: Mapping[str, Path] = field(default_factory=dict)

    def find(self, split: str, further: Sequence[str] = ()) -> Path | None:
        """The file of a split, or its first; None where there is none, or where it is not a file.

        `further` are suffixes that a task reads besides those of tables.
        """
        return next(iter(self._files(split, further)), None)

    def _files(self, split: str, further: Sequence[str] = ()) -> list[Path]:
        """The file of a split, or the Parquet files that the hub keeps it in."""
        if split in self.given:
            return [self.given[split]]
        folder = Path(self.location)
        if not self.location or not folder.is_dir():
            return []
        stems = ALIASES.get(split, (split,))
        kinds = (*TABLES, *further)
        names = [stem + kind + end for stem in stems for kind in kinds for end in ENDS]
        if found := next((folder / name for name in names if (folder / name).is_file()), None):
            return [found]
        places = [place for place in (folder, folder / DATA) if place.is_dir()]
        return next(filter(None, (_shards(place, stem) for place in places for stem in stems)), [])

    def records(self, split: str, *, scored: bool = True) -> Iterator[Record] | None:
        """The records of a split, or None where there is no such split.

        One that is not scored counts only where it is a file, once the user has named any.
        """
        if found := self._files(split):
            return chain.from_iterable(map(files.records, found))
        if not self.location or (self.given and not scored):
            return None
        if Path(self.location).is_dir() and not is_saved_dataset(Path(self.location)):
            return None
        rows = self._of_dataset(split)
        if rows is None:
            return None
        classes = [name for name, kind in _features(rows).items() if hasattr(kind, "int2str")]
        return (files.without_class_none(row, classes) for row in rows)

    def class_names(self, split: str) -> Mapping[str, Sequence[str]]:
        """By column of a split that is there, the names that its numbers stand for, in order."""
        file = self.find(split)
        if file is not None:
            return files.class_names(file)
        features = _features(self._of_dataset(split))
        return {name: kind.names for name, kind in features.items() if hasattr(kind, "int2str")}

    def names_in_lists(self, split: str) -> Mapping[str, Sequence[str]]:
        """By column of a split that is there, the names that lists of numbers stand for."""
        file = self.find(split)
        if file is not None:
            return files.names_in_lists(file)
        features = _features(self._of_dataset(split))
        items = {name: kind.feature for name, kind in features.items() if hasattr(kind, "feature")}
        return {name: item.names for name, item in items.items() if hasattr(item, "int2str")}

    def _of_dataset(self, split: str) -> Any:
        rows = self._dataset
        present = next((name for name in ALIASES.get(split, (split,)) if name in rows), None)
        return None if present is None else rows[present]

    def describe(self, split: str) -> str:
        """What to call a split in a message."""
        found = self._files(split)
        return str(found[0]) if len(found) == 1 else f"{self.location} ({split})"

    @cached_property
    def _dataset(self) -> Any:
        import datasets

        datasets.disable_progress_bars()
        datasets.logging.set_verbosity(datasets.logging.CRITICAL)
        if Path(self.location).is_dir():
            saved = datasets.load_from_disk(self.location)
            if isinstance(saved, datasets.Dataset):
                raise UserError(
                    f"--data={self.location} is one split that `datasets` saved, and nothing says "
                    "which; save a DatasetDict of train and validation, or each split with "
                    "to_parquet for --train and --validation"
                )
            return saved
        before = datasets.config.HF_HUB_OFFLINE
        try:
            with hub.access() as online:
                datasets.config.HF_HUB_OFFLINE = not online  # what is in the cache still opens
                return datasets.load_dataset(self.location, self.name)
        except Exception as error:  # every layer below has its own: hub, http, Arrow, builder
            raise UserError(
                f"data {self.location} is not a local folder, and as a data set of the hub it "
                f"cannot be opened ({type(error).__name__}); check the name and the network, or "
                "give --data a folder"
            ) from error
        finally:
            datasets.config.HF_HUB_OFFLINE = before


def _shards(folder: Path, stem: str) -> list[Path]:
    """The files of a split as the hub names them; raises `UserError` where some are missing."""
    name = re.compile(rf"{stem}-\d{{5}}-of-(\d{{5}})(-[0-9a-f]+)?\.parquet")
    found = sorted(file for file in folder.iterdir() if name.fullmatch(file.name))
    if found and (match := name.fullmatch(found[0].name)) and len(found) != int(match[1]):
        raise UserError(
            f"{folder} has {len(found)} of the {int(match[1])} files of {stem} "
            f"({found[0].name}, ...); copy the others, too"
        )
    return found


def _features(rows: Any) -> Mapping[str, Any]:
    return getattr(rows, "features", None) or {}
