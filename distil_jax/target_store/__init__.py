"""A teacher's outputs on a disk or in a bucket: tables of arrays, by row number or by text.

    DIR/manifest.json     settings, columns, and every shard with its size and SHA-256
    DIR/TABLE/*.arrow     shards: Arrow streams of fixed-size lists

`write` and `write_texts` fill a folder, resumably and in shares; `open_store` and `open_texts` read
it. What the arrays mean is for whoever writes and reads them.
"""

from distil_jax.target_store.column import Column
from distil_jax.target_store.manifest import StoreManifest
from distil_jax.target_store.reading import Store, StoredTable, open_store
from distil_jax.target_store.texts import Text, TextTable, open_texts, text_key, write_texts
from distil_jax.target_store.writing import Share, Table, begun_with, write

__all__ = [
    "Column",
    "Share",
    "Store",
    "StoreManifest",
    "StoredTable",
    "Table",
    "Text",
    "TextTable",
    "begun_with",
    "open_store",
    "open_texts",
    "text_key",
    "write",
    "write_texts",
]
