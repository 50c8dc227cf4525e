"""Targets by text: a row for each distinct text or pair, found again by a hash of it."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from distil_jax.errors import UserError
from distil_jax.target_store.column import Column
from distil_jax.target_store.manifest import StoreManifest
from distil_jax.target_store.reading import StoredTable, open_store
from distil_jax.target_store.writing import ALL, Share, Table, write

TABLE, KEY = "texts", "text_key"
KEY_BYTES = 16

Text = str | tuple[str, ...]
"""A text, or several that belong together, such as a pair."""

ComputeTexts = Callable[[Sequence[Text]], Mapping[str, np.ndarray]]
"""The arrays [texts, *shape] of some texts, by column."""


def text_key(text: Text) -> bytes:
    """16 bytes of the SHA-256 of a text, or of a pair: the same on every machine."""
    parts = (text,) if isinstance(text, str) else text
    digest = hashlib.sha256(len(parts).to_bytes(4, "little"))
    for part in parts:
        content = part.encode("utf-8", "surrogatepass")
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.digest()[:KEY_BYTES]


def write_texts(
    folder: str | Path,
    texts: Sequence[Text],
    columns: Sequence[Column],
    compute: ComputeTexts,
    *,
    settings: Mapping[str, Any],
    share: Share = ALL,
    notes: Callable[[], Mapping[str, Any]] = dict,
    made: Callable[[int, bool], None] = lambda rows, new: None,
    shard_rows: int = 0,
) -> StoreManifest | None:
    """Store the columns of every distinct text, as `writing.write` does; `compute` makes some.

    `settings` say what computed them (teacher's digest, pooling, ...); the texts themselves are
    added. `shard_rows`: most texts of a shard, which is what an interruption can lose; 0: many.
    Raises `UserError` for no text, a folder of others, or one that cannot be written.
    """
    distinct = list(dict.fromkeys(texts))
    if not distinct:
        raise UserError(f"there is no text to store targets of in {folder}")
    keys = np.frombuffer(b"".join(map(text_key, distinct)), np.uint8).reshape(-1, KEY_BYTES)
    table = Table(TABLE, len(distinct), (Column(KEY, "uint8", (KEY_BYTES,)), *columns), shard_rows)

    def of_rows(_: str, rows: range) -> Mapping[str, np.ndarray]:
        part = slice(rows.start, rows.stop)
        return {KEY: keys[part], **compute(distinct[part])}

    digest = hashlib.sha256(keys.tobytes()).hexdigest()
    return write(
        folder,
        [table],
        of_rows,
        settings={"texts": digest, **settings},
        share=share,
        notes=notes,
        made=made,
    )


@dataclass(frozen=True)
class TextTable:
    """Stored targets by text.

    Attributes:
      settings: those that they were written with.
      places: the row of each text, by its key.
    """

    folder: str | Path
    settings: Mapping[str, Any]
    notes: Mapping[str, Any]
    table: StoredTable
    places: Mapping[bytes, int]

    @property
    def columns(self) -> tuple[Column, ...]:
        """Of the targets, the key left out."""
        return tuple(column for column in self.table.columns if column.name != KEY)

    def place(self, text: Text) -> int | None:
        """The row of a text; None where it is not stored."""
        return self.places.get(text_key(text))

    def missing(self, texts: Sequence[Text]) -> list[Text]:
        """Those that are not stored."""
        return [text for text in texts if text_key(text) not in self.places]

    def gather(
        self, texts: Sequence[Text], names: Sequence[str] | None = None
    ) -> dict[str, np.ndarray]:
        """The arrays [texts, *shape] of these texts, in their order.

        Raises `UserError` that names the first text which is not stored.
        """
        if missing := self.missing(texts):
            shown = missing[0] if isinstance(missing[0], str) else " | ".join(missing[0])
            raise UserError(
                f"targets {self.folder} hold nothing for {len(missing)} of {len(texts)} texts, "
                f"first {shown[:60]!r}; name another folder, or make them with these texts, too"
            )
        rows = [self.places[text_key(text)] for text in texts]
        return self.table.gather(rows, names or [column.name for column in self.columns])


def open_texts(folder: str | Path) -> TextTable:
    """Open what `write_texts` wrote; raises `UserError` for another folder, or a damaged one."""
    store = open_store(folder)
    if set(store.tables) != {TABLE}:
        raise UserError(f"targets {folder} are those of rows, not of texts; name a folder of texts")
    table = store.tables[TABLE]
    if Column(KEY, "uint8", (KEY_BYTES,)) not in table.columns:
        raise UserError(
            f"targets {folder} are damaged: they lack the column {KEY}; make them again"
        )
    keys = table.gather(range(table.rows), [KEY])[KEY]
    places = {key.tobytes(): row for row, key in enumerate(keys)}
    manifest = store.manifest
    return TextTable(folder, manifest.settings, manifest.notes, table, places)
