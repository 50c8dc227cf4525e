"""Filling a folder with tables of targets, shard by shard; interrupted and shared work goes on."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from distil_jax.errors import UsageError, UserError
from distil_jax.storage.address import is_url
from distil_jax.storage.atomic import refusal
from distil_jax.storage.folder import open_folder
from distil_jax.storage.workspace import MANIFEST, Content, Workspace
from distil_jax.target_store.column import Column, encode
from distil_jax.target_store.manifest import (
    FORMAT,
    KIND,
    Shard,
    StoredShards,
    StoreManifest,
    load,
)

SHARD_BYTES = 64 << 20

Compute = Callable[[str, range], Mapping[str, np.ndarray]]
"""The arrays [rows, *shape] of some rows of a table, by column."""


@dataclass(frozen=True)
class Table:
    """A table that is to be written: its name is a folder's.

    Attributes:
      shard_rows: most rows of a shard; 0: as many as fill `SHARD_BYTES`.
    """

    name: str
    rows: int
    columns: tuple[Column, ...]
    shard_rows: int = 0

    @property
    def row_bytes(self) -> int:
        return sum(column.row_bytes for column in self.columns)

    def parts(self, unit: int) -> list[range]:
        """The rows of each shard, a multiple of `unit` but for the last."""
        most = SHARD_BYTES // max(1, self.row_bytes)
        if self.shard_rows:
            most = min(most, self.shard_rows)
        rows = max(1, most // unit) * unit
        return [range(start, min(start + rows, self.rows)) for start in range(0, self.rows, rows)]


@dataclass(frozen=True)
class Share:
    """Which of `count` processes this is, from 0: it makes every `count`-th shard."""

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise UsageError(
                f"shard_index={self.index} with shard_count={self.count}: "
                "give an index from 0 to below the count"
            )


ALL = Share()
"""One process that makes everything."""


def write(
    folder: str | Path,
    tables: Sequence[Table],
    compute: Compute,
    *,
    settings: Mapping[str, Any],
    share: Share = ALL,
    unit: int = 1,
    notes: Callable[[], Mapping[str, Any]] = dict,
    made: Callable[[int, bool], None] = lambda rows, new: None,
) -> StoreManifest | None:
    """Write what is missing of the tables; the manifest once all is there, None before.

    The result does not depend on the number of processes, nor on interruptions.

    Args:
      settings: what decides the content, in JSON's types; a folder with other ones is refused.
      unit: shards hold a multiple of so many rows.
      notes: asked once, by the process that finishes last, for what else the manifest is to hold.
      made: hears of every shard: its rows, and whether it was made just now.

    Raises:
      UserError: the folder holds something else, or cannot be written.
    """
    folder = folder if is_url(folder) else Path(folder)
    workspace = _workspace(folder, tables, shared=share.count > 1)
    whole = {"format": FORMAT, **settings}
    workspace.check(whole)
    if workspace.is_complete:
        workspace.clear_if_left()
        return load(folder)
    try:
        workspace.begin(whole)
        keys = _write_shards(workspace, tables, compute, share, unit, made)
        workspace.note_done(keys, share.index, share.count)
        return _finish(workspace, tables, whole, share.count, notes)
    except UserError:
        workspace.give_up()
        raise
    except FileNotFoundError:
        if not workspace.is_complete:
            raise
        return load(folder)  # another process was last as well, and faster
    except OSError as error:
        workspace.give_up()
        raise UserError(refusal(folder, error)) from error


def begun_with(folder: str | Path) -> Mapping[str, Any] | None:
    """The settings of a folder, complete or not; None for a new one. Raises `UserError`."""
    return _workspace(folder).begun_with()


def _workspace(
    folder: str | Path, tables: Sequence[Table] = (), *, shared: bool = False
) -> Workspace:
    content = Content("made", tuple(table.name for table in tables), lambda f: load(f).settings)
    return Workspace(open_folder(folder), content, shared=shared)


def _write_shards(
    workspace: Workspace,
    tables: Sequence[Table],
    compute: Compute,
    share: Share,
    unit: int,
    made: Callable[[int, bool], None],
) -> list[str]:
    parts = [(table, number, rows) for table in tables for number, rows in _numbered(table, unit)]
    keys = []
    for table, number, rows in parts[share.index :: share.count]:
        key = f"{table.name}-{number:05d}"
        is_new = not workspace.has_record(key)
        if is_new:
            _write_shard(workspace, table, number, compute(table.name, rows))
        made(len(rows), is_new)
        keys.append(key)
    return keys


def _numbered(table: Table, unit: int) -> Sequence[tuple[int, range]]:
    return list(enumerate(table.parts(unit)))


def _write_shard(
    workspace: Workspace, table: Table, number: int, arrays: Mapping[str, np.ndarray]
) -> None:
    content = encode(table.columns, arrays)
    rows = len(next(iter(arrays.values())))
    shard = Shard(f"{number:05d}.arrow", rows, content.nbytes, hashlib.sha256(content).hexdigest())
    workspace.write(f"{table.name}/{shard.file}", content)
    workspace.finish(f"{table.name}-{number:05d}", {"table": table.name, **asdict(shard)})


def _finish(
    workspace: Workspace,
    tables: Sequence[Table],
    settings: dict[str, Any],
    shares: int,
    notes: Callable[[], Mapping[str, Any]],
) -> StoreManifest | None:
    """Write the manifest and clear up, if every process has finished its shards; else None."""
    keys = workspace.finished_keys(shares)
    if keys is None:
        return load(workspace.address) if workspace.is_complete else None
    shards: dict[str, list[Shard]] = {table.name: [] for table in tables}
    for key in keys:
        record = workspace.record(key)
        shards[record.pop("table")].append(Shard(**record))
    stored = {
        table.name: StoredShards(table.columns, tuple(shards[table.name])) for table in tables
    }
    manifest = StoreManifest(FORMAT, KIND, settings, dict(notes()), stored)
    workspace.write(MANIFEST, manifest.to_file())
    workspace.remove_unfinished()
    return manifest
