"""Documents out of records: JSON lines, Parquet files, and data sets of the `datasets` library."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distil_jax.data import text
from distil_jax.data.decoding import DecodeStats
from distil_jax.errors import UserError
from distil_jax.tokenizer import hub

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_AT_ONCE = 256
PAIR_COMMA = ","
PAIR = "\x1e"
"""What stands between the two texts of a document that is a pair (ASCII's record separator)."""
LONGEST_LINE_BYTES = 1 << 24
_LONE_SURROGATES = re.compile("[\ud800-\udfff]")


def read_json_lines(path: Path, column: str, stats: DecodeStats) -> Iterator[str]:
    """The text column of every object. Raises UserError naming the line that is not one."""
    lines = text.split(text.read_blocks(path), text.SEPARATORS["line"], longest=LONGEST_LINE_BYTES)
    for number, raw in enumerate(lines, 1):
        line = text.decode(raw, stats)
        if line:
            where = f"{path} line {number}"
            yield from _document(_parse(line, where), column, where, stats)


def read_parquet(path: Path, column: str, stats: DecodeStats) -> Iterator[str]:
    """The text column of every row; row groups are read a few rows at a time."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            names = _columns(column, file.schema_arrow.names, path)
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=names):
                for record in _batch_records(batch, names, stats):
                    yield from _document(record, column, path, stats)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path} cannot be read as Parquet ({error}); is it complete?") from error


def is_saved_dataset(path: Path) -> bool:
    """Whether a folder was written by `Dataset.save_to_disk` or `DatasetDict.save_to_disk`."""
    return (path / "state.json").is_file() or (path / "dataset_dict.json").is_file()


def saved_fingerprint(path: Path, split: str) -> str | None:
    """What `datasets` wrote into a saved data set to tell it from others."""
    state = path / "state.json"
    state = state if state.is_file() else path / split / "state.json"
    try:
        return json.loads(state.read_bytes())["_fingerprint"] if state.is_file() else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{state} cannot be read ({error}); save the data set again") from error


def read_dataset(name: str, column: str, split: str, stats: DecodeStats) -> Iterator[str]:
    """The text column of a hub data set's or a saved data set's rows.

    Raises UserError when it cannot be loaded, at once where there is no network.
    """
    import pyarrow as pa

    rows = _opened(name, split)
    names = _columns(column, rows.column_names, name)
    try:
        rows = rows.with_format("arrow")
        for start in range(0, len(rows), ROWS_AT_ONCE):
            for batch in rows[start : start + ROWS_AT_ONCE].to_batches():
                for record in _batch_records(batch, names, stats):
                    yield from _document(record, column, name, stats)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"data set {name} is damaged ({error}); save it again") from error


def _batch_records(
    batch: "pa.RecordBatch", names: list[str], stats: DecodeStats
) -> Iterator[dict[str, Any]]:
    """The rows of a batch with these columns, of which a file may have several of one name."""
    columns = [_values(batch.column(batch.schema.names.index(name)), stats) for name in names]
    for values in zip(*columns, strict=True):
        yield dict(zip(names, values, strict=True))


def _values(column: "pa.Array", stats: DecodeStats) -> Iterator[Any]:
    """A column's values; Arrow does not look whether its strings are UTF-8, so we do."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        yield from column.to_pylist()
        return
    for raw in column.cast(pa.large_binary()).to_pylist():
        yield None if raw is None else text.decode(raw, stats)


def _opened(name: str, split: str) -> Any:
    import datasets

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    absent = ""
    try:
        if Path(name).is_dir():
            data = datasets.load_from_disk(name)
            return data[split] if isinstance(data, datasets.DatasetDict) else data
        absent = f"{name} is no file or folder here; "
        return _from_hub(name, split)
    except Exception as error:  # every layer below has its own: hub, http, Arrow, builder
        raise UserError(
            f"{absent}data set {name} (split {split}) cannot be opened: {type(error).__name__}; "
            "check the id and the network, or give local files"
        ) from error


def _from_hub(name: str, split: str) -> Any:
    import datasets

    before = datasets.config.HF_HUB_OFFLINE
    with hub.access() as online:
        datasets.config.HF_HUB_OFFLINE = not online  # what is in the cache still opens
        try:
            return datasets.load_dataset(name, split=split)
        finally:
            datasets.config.HF_HUB_OFFLINE = before


def _parse(line: str, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        if len(line) >= LONGEST_LINE_BYTES // 4:  # characters, of up to four bytes
            limit = LONGEST_LINE_BYTES >> 20
            raise UserError(
                f"{where} is not JSON, or longer than the {limit} MiB that a line may have: {error}"
            ) from error
        raise UserError(f"{where} is not JSON: {error}") from error
    if not isinstance(record, dict):
        raise UserError(f"{where} is not a JSON object")
    return record


def _document(
    record: dict[str, Any], column: str, where: object, stats: DecodeStats
) -> Iterator[str]:
    if PAIR_COMMA in column:
        yield from _pair(record, column, where, stats)
        return
    if column not in record:
        raise _no_column(where, column, list(record))
    value = record[column]
    if value is not None and not isinstance(value, str):
        raise UserError(f"{where}: column {column} holds {type(value).__name__}, not text")
    if value and value.strip():
        whole, lone = _LONE_SURROGATES.subn("\ufffd", value)
        stats.invalid += lone
        yield whole.strip()


def _pair(record: dict[str, Any], columns: str, where: object, stats: DecodeStats) -> Iterator[str]:
    """Two texts that belong together as one document; nothing where either is empty."""
    sides = [list(_document(record, name, where, stats)) for name in _names(columns)]
    if all(sides):
        yield PAIR.join(text.replace(PAIR, " ") for side in sides for text in side)


def _names(column: str) -> list[str]:
    """The columns that a column's name on the command line names: one, or those of a pair."""
    if PAIR_COMMA not in column:
        return [column]
    names = [name.strip() for name in column.split(PAIR_COMMA)]
    if len(names) > 2:
        raise UserError(f"--column={column} names {len(names)} columns; a pair has two")
    return names


def _columns(column: str, present: list[str], where: object) -> list[str]:
    """The columns to read; raises `UserError` if one is not there."""
    names = _names(column)
    for name in names:
        if name not in present:
            raise _no_column(where, name, present)
    return names


def _no_column(where: object, column: str, present: list[str]) -> UserError:
    return UserError(f"{where} has no column {column}; it has {', '.join(present)} (--column)")
