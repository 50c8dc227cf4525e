"""The columns of a table, and a shard of them as an Arrow stream of one record batch."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import ml_dtypes
import numpy as np
import pyarrow as pa

DTYPES = {
    name: np.dtype(name)
    for name in ("float32", "float16", "uint8", "uint16", "uint32", "int32", "int64", "bool")
} | {"bfloat16": np.dtype(ml_dtypes.bfloat16)}
STORED_AS = {"bfloat16": "uint16", "bool": "uint8"}
"""Arrow has no bfloat16, and packs bits: their bytes go under another type."""


@dataclass(frozen=True)
class Column:
    """An array of `dtype`, a key of `DTYPES`, and one `shape` for every row."""

    name: str
    dtype: str
    shape: tuple[int, ...] = ()

    @property
    def values(self) -> int:
        """Numbers of a row."""
        return math.prod(self.shape)

    @property
    def row_bytes(self) -> int:
        return self.values * DTYPES[self.dtype].itemsize

    @property
    def stored(self) -> np.dtype:
        """The type that the file says."""
        return np.dtype(STORED_AS.get(self.dtype, self.dtype))


def encode(columns: Sequence[Column], arrays: Mapping[str, np.ndarray]) -> memoryview:
    """The bytes of a shard; raises `ValueError` for an array of another shape."""
    parts = [_part(column, arrays[column.name]) for column in columns]
    schema = pa.schema([pa.field(c.name, p.type) for c, p in zip(columns, parts, strict=True)])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as stream:
        stream.write_batch(pa.record_batch(parts, schema=schema))
    return memoryview(sink.getvalue())


def read(path: Path, columns: Sequence[Column], rows: int) -> dict[str, np.ndarray]:
    """The memory-mapped arrays [rows, *shape] of a shard.

    Raises `ValueError` for a layout that is not these columns', ArrowException, OSError.
    """
    with pa.memory_map(str(path)) as source:
        batch = pa.ipc.open_stream(source).read_next_batch()
    if batch.num_rows != rows:
        raise ValueError(f"it holds {batch.num_rows} rows, not {rows}")
    return {column.name: _array(column, batch.column(column.name)) for column in columns}


# Both ways by their buffers: `pa.array` and `to_numpy` import pandas, which takes a second or two.
def _part(column: Column, array: np.ndarray) -> pa.FixedSizeListArray:
    if array.shape[1:] != column.shape:
        raise ValueError(f"{column.name} is of shape {array.shape[1:]}, not {column.shape}")
    rows = np.ascontiguousarray(array, DTYPES[column.dtype]).view(column.stored)
    kind = pa.from_numpy_dtype(column.stored)
    values = pa.Array.from_buffers(kind, rows.size, [None, pa.py_buffer(rows)])
    return pa.FixedSizeListArray.from_arrays(values, column.values)


def _array(column: Column, part: pa.FixedSizeListArray) -> np.ndarray:
    if part.type.list_size != column.values or part.type.value_type != pa.from_numpy_dtype(
        column.stored
    ):
        raise ValueError(f"{column.name} is stored as {part.type}")
    flat = np.frombuffer(part.values.buffers()[1], column.stored, len(part) * column.values)
    return flat.view(DTYPES[column.dtype]).reshape(-1, *column.shape)
