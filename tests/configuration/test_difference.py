"""difference: every changed key is named with both values, and nothing else is."""

from distil_jax.configuration.difference import difference


def test_equal_configs_do_not_differ() -> None:
    assert difference({"a": {"b": (1, 2)}, "c": {}}, {"c": {}, "a": {"b": [1, 2]}}) == []


def test_changed_added_and_removed_keys_are_named_with_both_values() -> None:
    saved = {"loss": {"temperature": 2.0, "cosine": 1.0}, "seed": 1, "gone": "x"}
    current = {"loss": {"temperature": 4.0, "cosine": 1.0}, "seed": 1, "new": {"deep": None}}
    assert difference(saved, current) == [
        'gone was "x" and is absent',
        "loss.temperature was 2.0 and is 4.0",
        "new.deep was absent and is null",
    ]


def test_ignored_names_cover_what_is_below_them_and_no_more() -> None:
    saved = {"eval": {"every": 1}, "evaluation": 1}
    current = {"eval": {"every": 2}, "evaluation": 2}
    assert difference(saved, current, ignore=["eval"]) == ["evaluation was 1 and is 2"]
