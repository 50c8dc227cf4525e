"""Reading the rows of a prepared folder, memory-mapped, one gather for a whole batch.

Of a folder in a bucket each shard is copied to this disk when a row of it is first asked for.
"""

import hashlib
import io
import mmap
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import numpy as np
import pyarrow as pa

from distil_jax.data import manifest, shards
from distil_jax.data.manifest import SPLITS, Manifest, SplitSummary
from distil_jax.errors import UserError
from distil_jax.storage import address
from distil_jax.storage.folder import Folder, open_folder

Array = np.ndarray
OPENED_AT_ONCE = 8


@dataclass
class Split:
    """One split of a prepared folder. Safe to read from several threads."""

    folder: str | Path
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

    @property
    def digest(self) -> str:
        """The SHA-256 of the manifest: of all rows, and what they were made of."""
        return hashlib.sha256(self.manifest.to_bytes()).hexdigest()

    def gather(self, row_numbers: Sequence[int] | Array) -> dict[str, Array]:
        """`tokens` and `segments` of the rows, int32 [n, length] each, in the order asked.

        Raises IndexError for a row that does not exist, UserError if a shard touched for the
        first time does not have the checksum of the manifest.
        """
        numbers = np.asarray(row_numbers, np.int64)
        if len(numbers) and not (numbers.min() >= 0 and numbers.max() < self.rows):
            raise IndexError(f"rows lie in 0..{self.rows - 1}")
        owners = np.searchsorted(self._starts, numbers, side="right") - 1
        self._open(np.unique(owners).tolist())
        batch = {
            name: np.empty((len(numbers), self.length), np.int32) for name in ("tokens", "segments")
        }
        for owner in np.unique(owners):
            places = np.flatnonzero(owners == owner)
            within = numbers[places] - self._starts[owner]
            for rows, stored in zip(batch.values(), self._opened[int(owner)], strict=True):
                rows[places] = stored[within]
        return batch

    def _open(self, numbers: Sequence[int]) -> None:
        if all(number in self._opened for number in numbers):
            return
        with self._lock, ThreadPoolExecutor(OPENED_AT_ONCE) as threads:
            missing = [number for number in numbers if number not in self._opened]
            stored = threads.map(self._checked, [self.summary.shards[each] for each in missing])
            self._opened |= zip(missing, stored, strict=True)

    def _checked(self, shard: shards.Shard) -> tuple[Array, Array]:
        name = f"{self.name}/{shard.file}"
        try:
            path = open_folder(self.folder).on_disk(
                name, size_bytes=shard.bytes, sha256=shard.sha256
            )
            with (
                path.open("rb") as file,
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
            ):
                digest = hashlib.sha256(content).hexdigest()
            if digest != shard.sha256:
                raise _damaged(self.folder, name, "its checksum differs from the manifest's")
            stored = shards.read(path)
        except (OSError, ValueError, KeyError, pa.ArrowException) as error:
            raise _damaged(self.folder, name, str(error)) from error
        if [rows.shape for rows in stored] != [(shard.rows, self.length)] * 2:
            raise _damaged(
                self.folder, name, f"it does not hold {shard.rows} rows of {self.length} tokens"
            )
        return stored


def is_prepared(name: str) -> bool:
    """Whether a name is that of a prepared folder, or of one of its splits."""
    if address.is_url(name) and "," in name:
        return False  # several texts
    folders = [name, address.parent(name)] if address.basename(name) in SPLITS else [name]
    return any(open_folder(folder).has(manifest.FILE) for folder in folders)


def open_split(folder: str | Path, split: str = "train") -> Split:
    """Open `DIR` or `DIR/<split>`; sizes and headers of all shards are checked now.

    Raises UserError naming a folder that is not prepared or a shard that is missing, cut short or
    of another layout.
    """
    folder, split = _resolve(folder, split)
    if split not in SPLITS:
        raise UserError(f"split {split} is not one of {', '.join(SPLITS)}")
    prepared = manifest.load(folder)
    summary = prepared.splits[split]
    source = open_folder(folder)
    sizes = source.sizes(split)
    for shard in summary.shards:
        _check(source, f"{split}/{shard.file}", sizes, shard, prepared)
    starts = np.cumsum([0, *(shard.rows for shard in summary.shards)])[:-1]
    return Split(folder, split, prepared, starts)


def token_counts(folder: str | Path) -> Array:
    """How often each token stands in the training rows, int64 [vocabulary].

    Raises UserError if the file is missing or its checksum differs.
    """
    folder, _ = _resolve(folder, "train")
    prepared = manifest.load(folder)
    try:
        content = open_folder(folder).read(manifest.COUNTS)
    except OSError as error:
        raise _damaged(folder, manifest.COUNTS, str(error)) from error
    if hashlib.sha256(content).hexdigest() != prepared.counts_sha256:
        raise _damaged(folder, manifest.COUNTS, "its checksum differs from the manifest's")
    try:
        counts = np.load(io.BytesIO(content), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(folder, manifest.COUNTS, str(error)) from error
    if counts.shape != (prepared.vocabulary,) or counts.dtype != np.int64:
        raise _damaged(folder, manifest.COUNTS, f"it does not hold {prepared.vocabulary} counts")
    return counts


def _resolve(folder: str | Path, split: str) -> tuple[str | Path, str]:
    """The prepared folder and the split of it that a name means."""
    name = address.basename(folder)
    if name in SPLITS and not open_folder(folder).has(manifest.FILE):
        return address.parent(folder), name
    return folder if address.is_url(folder) else Path(folder), split


def _check(
    source: Folder, name: str, sizes: dict[str, int], shard: shards.Shard, prepared: Manifest
) -> None:
    path = address.join(source.address, name)
    if (size := sizes.get(name)) is None:
        raise _damaged(source.address, name, "it is missing")
    if size != shard.bytes:
        raise _damaged(source.address, name, f"it has {size} bytes, not {shard.bytes}")
    if address.is_url(path):
        return  # its header is read, and everything else, once a row of it is asked for
    try:
        with open(path, "rb") as file:
            schema = pa.ipc.read_schema(pa.ipc.read_message(file))
        lengths = {schema.field(name).type.list_size for name in ("tokens", "segments")}
    except (pa.ArrowException, OSError, KeyError, AttributeError, EOFError, ValueError) as error:
        raise _damaged(source.address, name, f"its header cannot be read ({error})") from error
    if lengths != {prepared.length}:
        raise _damaged(source.address, name, f"its rows are not of length {prepared.length}")


def _damaged(folder: str | Path, name: str, how: str) -> UserError:
    return UserError(
        f"shard {address.join(folder, name)} is damaged: {how}; remove the folder {folder} and "
        "prepare it again"
    )
