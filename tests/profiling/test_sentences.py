"""sentences: any of the usual files, and a line that names what is wrong with others."""

import json
from pathlib import Path

import pytest

from distil_jax.errors import UserError
from distil_jax.profiling import sentences


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.txt", "\ufeffone\r\n\r\n  \r\ntwo\n", [("one",), ("two",)]),
        ("a.jsonl", json.dumps({"sentence1": "a", "sentence2": "b\U0001f600"}) + "\n",
         [("a", "b\U0001f600")]),
        ("a.tsv", 'idx\tsentence\n0\ta "quote\n1\tb\n', [('a "quote',), ("b",)]),
        ("b.tsv", "\ttext\tlabel\n0\tone\t1\n1\ttwo\t0\n", [("one",), ("two",)]),
        ("b.csv", 'text,label\n"one,\ntwo",1\n', [("one,\ntwo",)]),
        ("a.csv", 'text,label\n"one, two",1\n', [("one, two",)]),
    ],
)  # fmt: skip
def test_usual_files_are_read(
    tmp_path: Path, name: str, content: str, expected: list[tuple[str, ...]]
) -> None:
    (tmp_path / name).write_text(content, encoding="utf8", newline="")
    assert sentences.read(tmp_path / name, most=9) == expected


def test_no_more_than_asked(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a\nb\nc\n")
    assert sentences.read(tmp_path / "a.txt", most=2) == [("a",), ("b",)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "\n\n", "holds no sentence"),
        ("a.jsonl", '{"text": "x"}\n{"te\n', "line 2 is not JSON"),
        ("a.jsonl", "[1]\n", "line 1 is not a JSON object"),
        ("a.jsonl", '{"words": "x"}\n', "columns words"),
        ("a.md", "<!DOCTYPE html><html><body>x</body></html>\n", "HTML"),
    ],
)
def test_others_are_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message):
        sentences.read(tmp_path / name, most=9)
