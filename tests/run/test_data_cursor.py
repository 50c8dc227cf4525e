"""position: rows read are not read again, nor passed over, when the batch changes."""

from types import SimpleNamespace
from typing import Any

import pytest

from distil_jax.run import data_cursor
from distil_jax.run.data_cursor import START, DataCursor


def config(sequences: int, *, total_steps: int = 0, epochs: float = 2.0) -> Any:
    batch = SimpleNamespace(size=sequences)
    return SimpleNamespace(batch=batch, total_steps=total_steps, epochs=epochs)


def rows(number: int, length: int = 32) -> Any:
    return SimpleNamespace(rows=number, length=length)


def saved(sequences: int, at: DataCursor, count: int = 100) -> dict[str, Any]:
    described = data_cursor.described(at, rows(count))
    return {"run": {"batch": {"size": sequences}}, **described}


@pytest.fixture(autouse=True)
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """These stand-ins are no configs; their types are of no interest here."""
    for name in ("resume", "total_steps", "described"):
        function = getattr(data_cursor, name)
        monkeypatch.setattr(data_cursor, name, getattr(function, "__wrapped__", function))


def test_the_same_batch_keeps_the_position() -> None:
    at = DataCursor(step=5, row=40)
    assert data_cursor.resume(saved(8, at), 30, config(8), rows(100)) == at
    assert data_cursor.resume(None, 0, config(8), rows(100)) == START


def test_another_batch_begins_at_the_rows_that_were_read() -> None:
    first = data_cursor.resume(saved(8, START), 10, config(16), rows(100))
    assert first == DataCursor(step=10, row=80)
    second = data_cursor.resume(saved(16, first), 15, config(4), rows(100))
    assert second == DataCursor(step=15, row=80 + 5 * 16)


def test_rows_of_another_length_keep_the_share_of_the_epoch() -> None:
    found = data_cursor.resume(saved(8, START, count=100), 10, config(8), rows(50))
    assert found == DataCursor(step=10, row=40)


def test_checkpoints_of_earlier_versions_began_at_the_start() -> None:
    before = {"run": {"batch": {"size": 8}}}
    assert data_cursor.resume(before, 10, config(8), rows(100)) == START
    assert data_cursor.resume(before, 10, config(4), rows(100)) == DataCursor(step=10, row=80)


def test_what_is_left_of_the_epochs_is_done_in_the_new_batch() -> None:
    assert data_cursor.total_steps(START, config(8), rows(100)) == 25
    assert data_cursor.total_steps(DataCursor(10, 80), config(16), rows(100)) == 10 + 8
    assert data_cursor.total_steps(DataCursor(10, 250), config(16), rows(100)) == 10
    assert data_cursor.total_steps(DataCursor(10, 80), config(16, total_steps=40), rows(100)) == 40
