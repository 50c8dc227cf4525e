"""What a folder of targets says about itself, in `manifest.json`."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from distil_jax.errors import UserError
from distil_jax.storage.address import join
from distil_jax.storage.folder import open_folder
from distil_jax.storage.workspace import MANIFEST
from distil_jax.target_store.column import DTYPES, Column

FORMAT = 1
KIND = "targets"
DIGEST = "sha256"


@dataclass(frozen=True)
class Shard:
    """A file of a table's folder, and the number of rows in it."""

    file: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class StoredShards:
    """A table's columns, and its shards in the order of its rows."""

    columns: tuple[Column, ...]
    shards: tuple[Shard, ...]

    @property
    def rows(self) -> int:
        return sum(shard.rows for shard in self.shards)

    @property
    def bytes(self) -> int:
        return sum(shard.bytes for shard in self.shards)


@dataclass(frozen=True)
class StoreManifest:
    """`settings` decide the content; `notes` are what was found while it was made."""

    format: int
    kind: str
    settings: dict[str, Any]
    notes: dict[str, Any]
    tables: dict[str, StoredShards]

    def to_bytes(self) -> bytes:
        """The file's content, the same bytes for the same manifest."""
        return _as_json(asdict(self))

    def to_file(self) -> bytes:
        """The same with its own checksum, by which any change of it shows."""
        content = json.loads(self.to_bytes())
        return _as_json(content | {DIGEST: hashlib.sha256(_as_json(content)).hexdigest()})


def _as_json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()


def is_store(folder: str | Path) -> bool:
    """Whether a folder is a finished one of targets."""
    source = open_folder(folder)
    if not source.has(MANIFEST):
        return False
    try:
        return json.loads(source.read(MANIFEST)).get("kind") == KIND
    except (ValueError, AttributeError):
        return False


def load(folder: str | Path) -> StoreManifest:
    """Read a folder's manifest; raises `UserError` if there is none, or it is damaged."""
    path, source = join(folder, MANIFEST), open_folder(folder)
    if not source.has(MANIFEST):
        raise UserError(
            f"{folder} is not a finished folder of targets (no {MANIFEST}); make it with "
            "distil_jax.cache, or let it finish"
        )
    try:
        raw = json.loads(source.read(MANIFEST))
        if raw.get("kind") != KIND:
            raise UserError(f"{folder} holds no targets; name a folder that distil_jax.cache made")
        if raw["format"] != FORMAT:
            raise UserError(f"{path} has format {raw['format']!r}, not {FORMAT}; make it again")
        tables = {name: _table(table) for name, table in raw["tables"].items()}
        _check_digest(raw)
        return StoreManifest(FORMAT, KIND, dict(raw["settings"]), dict(raw["notes"]), tables)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({error}); make the targets again") from error


def _check_digest(raw: Mapping[str, Any]) -> None:
    """Refuse what was changed since it was written; folders of earlier versions have no digest."""
    content = {name: value for name, value in raw.items() if name != DIGEST}
    if DIGEST in raw and raw[DIGEST] != hashlib.sha256(_as_json(content)).hexdigest():
        raise ValueError("its content is not what was written")


def _table(raw: Mapping[str, Any]) -> StoredShards:
    columns = tuple(Column(**{**each, "shape": tuple(each["shape"])}) for each in raw["columns"])
    shards = tuple(Shard(**each) for each in raw["shards"])
    for column in columns:
        if column.dtype not in DTYPES or not all(type(n) is int and n >= 0 for n in column.shape):
            raise ValueError(f"column {column.name!r} is of no known type or shape")
    for shard in shards:
        if Path(shard.file).name != shard.file or type(shard.rows) is not int or shard.rows < 0:
            raise ValueError(f"shard {shard.file!r} is no plain file with a number of rows")
    return StoredShards(columns, shards)
