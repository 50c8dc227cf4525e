"""list_text: what JSON, Python and NumPy write, and what is left a text."""

import json

import numpy as np
import pytest

from distil_jax.tasks.list_text import from_text

LISTS = [
    ["a", "b"],
    ["don't", 'say "so"', "a, b", "[x]", "{"],
    ["é", "日本", "\n"],
    [3, -1, 2.5],
    [],
]


@pytest.mark.parametrize("write", [json.dumps, repr])
@pytest.mark.parametrize("items", LISTS)
def test_what_was_written_is_read(write, items):
    assert from_text(write(items)) == items
    assert from_text(f" {write(items)}\n") == items
    assert from_text(write({"text": items})) == {"text": items}


@pytest.mark.parametrize("items", [["a", "b"], ["don't", "a, b"], [3, 0, -1], ["word"] * 40])
def test_what_numpy_prints_without_commas_is_not_joined(items):
    assert from_text(str(np.array(items, object))) == items


def test_records_in_an_array():
    assert from_text("[{'start': 0, 'end': 2}\n {'start': 3, 'end': 4}]") == [
        {"start": 0, "end": 2},
        {"start": 3, "end": 4},
    ]


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "",
        "[x]",
        "[note] text",
        "['a'",
        "[$]",
        "['a' ...",
        "[1][2]",
        "['a'] + ['b']",
        "{",
        "[" * 9999,
    ],
)
def test_other_texts_stay_texts(text):
    assert from_text(text) == text


def test_other_values_stay_as_they_are():
    assert from_text(["a"]) == ["a"]
    assert from_text(None) is None
