"""Reading the rows of a prepared folder, memory-mapped, one gather for a whole batch."""

import hashlib
import mmap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import numpy as np
import pyarrow as pa

from distil_jax.data import manifest, shards
from distil_jax.data.manifest import SPLITS, Manifest, SplitSummary
from distil_jax.errors import UserError

Array = np.ndarray


@dataclass
class Split:
    """One side of a prepared folder. Safe to read from several threads."""

    folder: Path
    name: str
    manifest: Manifest
    _starts: Array
    _opened: dict[int, tuple[Array, Array]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    @property
    def summary(self) -> SplitSummary:
        return self.manifest.splits[self.name]

    @property
    def rows(self) -> int:
        return self.summary.rows

    @property
    def length(self) -> int:
        return self.manifest.length

    def gather(self, row_numbers: Sequence[int] | Array) -> dict[str, Array]:
        """`tokens` and `segments` of the rows, int32 [n, length] each, in the order asked.

        Raises IndexError for a row that does not exist, UserError if a shard touched for the
        first time does not have the checksum of the manifest.
        """
        numbers = np.asarray(row_numbers, np.int64)
        if len(numbers) and not (numbers.min() >= 0 and numbers.max() < self.rows):
            raise IndexError(f"rows lie in 0..{self.rows - 1}")
        owners = np.searchsorted(self._starts, numbers, side="right") - 1
        batch = {
            name: np.empty((len(numbers), self.length), np.int32) for name in ("tokens", "segments")
        }
        for owner in np.unique(owners):
            places = np.flatnonzero(owners == owner)
            within = numbers[places] - self._starts[owner]
            for rows, stored in zip(batch.values(), self._shard(int(owner)), strict=True):
                rows[places] = stored[within]
        return batch

    def _shard(self, number: int) -> tuple[Array, Array]:
        if (found := self._opened.get(number)) is not None:
            return found
        with self._lock:
            if number not in self._opened:
                self._opened[number] = self._checked(self.summary.shards[number])
            return self._opened[number]

    def _checked(self, shard: shards.Shard) -> tuple[Array, Array]:
        path = self.folder / self.name / shard.file
        try:
            with (
                path.open("rb") as file,
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
            ):
                digest = hashlib.sha256(content).hexdigest()
            if digest != shard.sha256:
                raise _damaged(path, "its checksum differs from the manifest's")
            found = shards.read(path)
        except (OSError, ValueError, KeyError, pa.ArrowException) as error:
            raise _damaged(path, str(error)) from error
        if [rows.shape for rows in found] != [(shard.rows, self.length)] * 2:
            raise _damaged(path, f"it does not hold {shard.rows} rows of {self.length} tokens")
        return found


def open_split(folder: str | Path, split: str = "train") -> Split:
    """Open `DIR` or `DIR/<split>`; sizes and headers of all shards are checked now.

    Raises UserError naming a folder that is not prepared or a shard that is missing, cut short or
    of another layout.
    """
    folder = Path(folder)
    if folder.name in SPLITS and not (folder / manifest.FILE).is_file():
        folder, split = folder.parent, folder.name
    if split not in SPLITS:
        raise UserError(f"split {split} is not one of {', '.join(SPLITS)}")
    found = manifest.load(folder)
    summary = found.splits[split]
    for shard in summary.shards:
        _check(folder / split / shard.file, shard, found)
    starts = np.cumsum([0, *(shard.rows for shard in summary.shards)])[:-1]
    return Split(folder, split, found, starts)


def token_counts(folder: str | Path) -> Array:
    """How often each token stands in the training rows, int64 [vocabulary].

    Raises UserError if the file is missing or its checksum differs.
    """
    folder = Path(folder)
    if folder.name in SPLITS and not (folder / manifest.FILE).is_file():
        folder = folder.parent
    found = manifest.load(folder)
    path = folder / manifest.COUNTS
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _damaged(path, str(error)) from error
    if hashlib.sha256(content).hexdigest() != found.counts_sha256:
        raise _damaged(path, "its checksum differs from the manifest's")
    try:
        counts = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(path, str(error)) from error
    if counts.shape != (found.vocabulary,) or counts.dtype != np.int64:
        raise _damaged(path, f"it does not hold {found.vocabulary} counts")
    return counts


def _check(path: Path, shard: shards.Shard, found: Manifest) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise _damaged(path, "it is missing") from error
    if size != shard.bytes:
        raise _damaged(path, f"it has {size} bytes, not {shard.bytes}")
    try:
        with path.open("rb") as file:
            schema = pa.ipc.read_schema(pa.ipc.read_message(file))
        lengths = {schema.field(name).type.list_size for name in ("tokens", "segments")}
    except (pa.ArrowException, OSError, KeyError, AttributeError, EOFError, ValueError) as error:
        raise _damaged(path, f"its header cannot be read ({error})") from error
    if lengths != {found.length}:
        raise _damaged(path, f"its rows are not of length {found.length}")


def _damaged(path: Path, how: str) -> UserError:
    return UserError(
        f"shard {path} is damaged: {how}; remove its folder and run distil_jax.prepare again"
    )
