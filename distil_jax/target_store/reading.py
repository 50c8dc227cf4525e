"""Reading tables of targets: memory-mapped, each shard compared with its checksum once."""

import hashlib
import mmap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import numpy as np
import pyarrow as pa

from distil_jax.errors import UserError
from distil_jax.storage import address
from distil_jax.storage.folder import open_folder
from distil_jax.target_store import column, manifest
from distil_jax.target_store.column import DTYPES, Column
from distil_jax.target_store.manifest import Shard, StoredShards, StoreManifest


@dataclass
class StoredTable:
    """One table of a folder. Safe to read from several threads."""

    folder: str | Path
    name: str
    stored: StoredShards
    _starts: np.ndarray
    _opened: dict[int, dict[str, np.ndarray]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    @property
    def rows(self) -> int:
        return self.stored.rows

    @property
    def columns(self) -> tuple[Column, ...]:
        return self.stored.columns

    def gather(
        self, row_numbers: Sequence[int] | np.ndarray, names: Sequence[str] | None = None
    ) -> dict[str, np.ndarray]:
        """The arrays [n, *shape] of some rows, in the order asked: of `names`, or all columns.

        Raises IndexError for a row that does not exist, UserError for a shard that is damaged.
        """
        numbers = np.asarray(row_numbers, np.int64)
        if len(numbers) and not (numbers.min() >= 0 and numbers.max() < self.rows):
            raise IndexError(f"rows lie in 0..{self.rows - 1}")
        wanted = [each for each in self.columns if names is None or each.name in names]
        found = {
            each.name: np.empty((len(numbers), *each.shape), DTYPES[each.dtype]) for each in wanted
        }
        owners = np.searchsorted(self._starts, numbers, side="right") - 1
        for owner in np.unique(owners).tolist():
            places = np.flatnonzero(owners == owner)
            within = numbers[places] - self._starts[owner]
            shard = self._shard(owner)
            for name, rows in found.items():
                rows[places] = shard[name][within]
        return found

    def _shard(self, number: int) -> dict[str, np.ndarray]:
        with self._lock:
            if number not in self._opened:
                self._opened[number] = self._checked(self.stored.shards[number])
            return self._opened[number]

    def _checked(self, shard: Shard) -> dict[str, np.ndarray]:
        name = f"{self.name}/{shard.file}"
        try:
            path = open_folder(self.folder).on_disk(
                name, size_bytes=shard.bytes, sha256=shard.sha256
            )
            with (
                path.open("rb") as file,
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
            ):
                if hashlib.sha256(content).hexdigest() != shard.sha256:
                    raise ValueError("its checksum differs from the manifest's")
            return column.read(path, self.columns, shard.rows)
        except (OSError, ValueError, KeyError, AttributeError, pa.ArrowException) as error:
            raise _damaged(address.join(self.folder, name), str(error)) from error


@dataclass(frozen=True)
class Store:
    """A finished folder of targets."""

    folder: str | Path
    manifest: StoreManifest
    tables: dict[str, StoredTable]


def open_store(folder: str | Path) -> Store:
    """Open a folder; the sizes of all shards are checked now, their checksums when first read.

    Raises `UserError` for a folder that is not finished, or a shard that is missing or cut short.
    """
    found = manifest.load(folder)
    source = open_folder(folder)
    tables = {}
    for name, stored in found.tables.items():
        sizes = source.sizes(name)
        for shard in stored.shards:
            _check_size(
                address.join(folder, name, shard.file), sizes.get(f"{name}/{shard.file}"), shard
            )
        starts = np.cumsum([0, *(shard.rows for shard in stored.shards)])[:-1]
        tables[name] = StoredTable(folder, name, stored, starts)
    return Store(folder, found, tables)


def _check_size(path: str | Path, size: int | None, shard: Shard) -> None:
    if size is None:
        raise _damaged(path, "it is missing")
    if size != shard.bytes:
        raise _damaged(path, f"it has {size} bytes, not {shard.bytes}")


def _damaged(path: str | Path, how: str) -> UserError:
    return UserError(f"targets {path} are damaged: {how}; remove the folder and make them again")
