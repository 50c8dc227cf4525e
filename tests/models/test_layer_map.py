"""Layer maps: the published ones, lists, and what is refused."""

import pytest

from distil_jax.errors import UserError
from distil_jax.models.layer_map import layer_map


@pytest.mark.parametrize(
    ("text", "teachers"),
    [
        ("evenly_spaced", {1: 3, 2: 6, 3: 9, 4: 12}),  # TinyBERT's g(m) = 3 m
        ("every_last", {1: 9, 2: 10, 3: 11, 4: 12}),
        ("last", {4: 12}),
        ("skip", {1: 3, 2: 6, 3: 9}),
        ("patient_last", {1: 9, 2: 10, 3: 11}),
        (" 0:0, 2:7,4:12", {0: 0, 2: 7, 4: 12}),
    ],
)
def test_maps(text: str, teachers: dict[int, int]) -> None:
    assert dict(layer_map(text, 4, 12)) == teachers


def test_depths_that_do_not_divide() -> None:
    assert dict(layer_map("evenly_spaced", 3, 7)) == {1: 2, 2: 5, 3: 7}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("5:3", "student has no layer 5; it has 4"),
        ("1:13", "teacher has no layer 13; it has 12"),
        ("1:-1", "teacher has no layer -1"),
        ("1:2,1:3", "twice"),
        ("middle", "'middle' is no layer map; use evenly_spaced"),
        ("1-2", "'1-2' is no layer map"),
        ("", "'' is no layer map"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        layer_map(text, 4, 12)


def test_a_rule_that_leaves_nothing() -> None:
    with pytest.raises(UserError, match="skip leaves no layer"):
        layer_map("skip", 1, 12)
