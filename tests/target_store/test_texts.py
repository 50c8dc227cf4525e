"""Targets by the hash of a text: written once for each, found in any order."""

from pathlib import Path

import numpy as np
import pytest

from distil_jax.errors import UserError
from distil_jax.target_store import Column, Share, open_texts, text_key, write_texts

COLUMNS = (Column("embedding", "float16", (3,)), Column("score", "float32"))
TEXTS = ["one", "two", ("one", "two"), "two", "three"]


def _compute(texts):
    lengths = np.asarray([len(text) for text in texts], np.float32)
    return {"embedding": np.stack([lengths, -lengths, 2 * lengths], 1), "score": lengths}


def _write(folder, texts=TEXTS, **options):
    return write_texts(folder, texts, COLUMNS, _compute, settings={"teacher": "a"}, **options)


def test_each_text_once_in_any_order(tmp_path: Path):
    _write(tmp_path / "targets")
    table = open_texts(tmp_path / "targets")
    assert table.table.rows == 4
    assert table.settings["teacher"] == "a"
    found = table.gather(["three", ("one", "two"), "one", "one"])
    np.testing.assert_array_equal(found["score"], [5, 2, 3, 3])
    np.testing.assert_array_equal(found["embedding"][0], [5, -5, 10])
    assert found["embedding"].dtype == np.float16


def test_keys_tell_texts_from_pairs():
    texts = ["ab", "a", ("a", "b"), ("ab", ""), ("ab",), "\ud800"]
    # A text and the tuple of it alone are the same text.
    assert len({text_key(text) for text in texts}) == len(texts) - 1


def test_a_bucket(bucket: str):
    _write(f"{bucket}/targets")
    found = open_texts(f"{bucket}/targets").gather(["two"], ["score"])
    assert list(found) == ["score"]
    np.testing.assert_array_equal(found["score"], [3])


def test_shares_end_with_the_last(tmp_path: Path):
    assert _write(tmp_path / "targets", share=Share(1, 2)) is None
    assert _write(tmp_path / "targets", share=Share(0, 2)) is not None
    assert open_texts(tmp_path / "targets").table.rows == 4


def test_a_text_that_is_not_stored_is_named(tmp_path: Path):
    _write(tmp_path / "targets")
    with pytest.raises(UserError, match=r"nothing for 1 of 2 texts, first 'four'"):
        open_texts(tmp_path / "targets").gather(["one", "four"])


def test_other_texts_or_settings_are_refused(tmp_path: Path):
    _write(tmp_path / "targets")
    with pytest.raises(UserError, match="was made with other settings: texts"):
        _write(tmp_path / "targets", ["one"])
    with pytest.raises(UserError, match="no text to store"):
        _write(tmp_path / "other", [])
    assert not (tmp_path / "other").exists()
