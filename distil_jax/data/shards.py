"""Arrow files of fixed-size rows, in the layout of the `datasets` library."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

Array = np.ndarray


@dataclass(frozen=True)
class Layout:
    """Row length and the narrowest integers that hold every token and every segment number."""

    length: int
    tokens: str
    segments: str


@dataclass(frozen=True)
class Shard:
    """One finished file as the manifest names it; `file` is relative to the split's folder."""

    file: str
    rows: int
    bytes: int
    sha256: str


def layout(length: int, vocabulary: int, shortest_tokens: int) -> Layout:
    """The layout for a vocabulary and the largest number of sequences in a row."""
    most_segments = length // max(1, shortest_tokens)
    return Layout(
        length,
        tokens="uint16" if vocabulary <= 1 << 16 else "int32",
        segments="uint8" if most_segments < 1 << 8 else "uint16",
    )


def encode(file: str, tokens: Array, segments: Array, layout: Layout) -> tuple[Shard, memoryview]:
    """Rows as an Arrow stream of one record batch: what the manifest says of it, and the bytes."""
    columns = [
        _column(np.ascontiguousarray(rows, dtype))
        for rows, dtype in ((tokens, layout.tokens), (segments, layout.segments))
    ]
    schema = _schema(layout)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as stream:
        stream.write_batch(pa.record_batch(columns, schema=schema))
    content = sink.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    return Shard(file, len(tokens), content.size, digest), memoryview(content)


def dataset_files(split: str, files: list[str], layout: Layout) -> dict[str, bytes]:
    """Names and contents of the two files by which `datasets.load_from_disk` knows a folder."""
    fingerprint = hashlib.sha256(json.dumps(files).encode()).hexdigest()[:16]
    state: dict[str, Any] = {
        "_data_files": [{"filename": file} for file in files],
        "_fingerprint": fingerprint,
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": split,
    }
    info = {
        "citation": "",
        "description": "Packed rows: token ids and segment numbers (0 is padding).",
        "features": _features(layout),
        "homepage": "",
        "license": "",
    }
    named = {"dataset_info.json": info, "state.json": state}
    return {name: json.dumps(content, indent=2).encode() for name, content in named.items()}


def read(path: Path) -> tuple[Array, Array]:
    """Memory-mapped tokens and segments, [rows, length] each. Raises ArrowException, OSError."""
    with pa.memory_map(str(path)) as source:
        batch = pa.ipc.open_stream(source).read_next_batch()
    tokens, segments = (_rows(batch.column(name)) for name in ("tokens", "segments"))
    return tokens, segments


# Both ways by their buffers: `pa.array` and `to_numpy` import pandas, which takes a second or two.
def _column(rows: Array) -> pa.FixedSizeListArray:
    buffers = [None, pa.py_buffer(rows)]
    values = pa.Array.from_buffers(pa.from_numpy_dtype(rows.dtype), rows.size, buffers)
    return pa.FixedSizeListArray.from_arrays(values, rows.shape[1])


def _rows(column: pa.FixedSizeListArray) -> Array:
    return np.from_dlpack(column.values).reshape(-1, column.type.list_size)


def _schema(layout: Layout) -> pa.Schema:
    fields = [
        pa.field(name, pa.list_(getattr(pa, dtype)(), layout.length))
        for name, dtype in (("tokens", layout.tokens), ("segments", layout.segments))
    ]
    metadata = json.dumps({"info": {"features": _features(layout)}})
    return pa.schema(fields, metadata={"huggingface": metadata})


def _features(layout: Layout) -> dict[str, Any]:
    return {
        name: {
            "feature": {"dtype": dtype, "_type": "Value"},
            "length": layout.length,
            "_type": "List",
        }
        for name, dtype in (("tokens", layout.tokens), ("segments", layout.segments))
    }
