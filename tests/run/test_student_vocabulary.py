"""The tokens of a student that has a part of its teacher's: which text they are counted in."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from distil_jax.configuration import source
from distil_jax.errors import UserError
from distil_jax.run.models import load_models

SIZE = 87
"""All but four of the teacher's 91 tokens."""
Flags = Callable[..., list[str]]


def test_tokens_are_counted_in_the_column_that_is_read(
    tmp_path: Path, flags: Flags, text_file: Path
) -> None:
    records = [{"body": line} for line in text_file.read_text().splitlines()]
    file = tmp_path / "text.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    chosen = {}
    for name, column in ((text_file, "text"), (file, "body")):
        changes = {"data.train": name, "data.column": column, "student.vocabulary": SIZE}
        config = source.read("base", flags(tmp_path / "run", **changes)[2:])
        chosen[column] = load_models(config).tokenizer.get_vocab()
    assert chosen["text"] == chosen["body"]


def test_rows_of_the_whole_vocabulary_name_the_way_to_smaller_ones(
    tmp_path: Path, flags: Flags
) -> None:
    config = source.read("base", flags(tmp_path, **{"student.vocabulary": SIZE})[2:])
    with pytest.raises(UserError, match=r"is prepared; run python -m distil_jax.prune_vocabulary"):
        load_models(config)
    config = source.read("base", flags(tmp_path, **{"student.vocabulary": "nowhere.txt"})[2:])
    with pytest.raises(UserError, match=r"student.vocabulary=nowhere.txt: nowhere.txt cannot be"):
        load_models(config)
