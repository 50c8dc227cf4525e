import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distil_jax.errors import UserError
from distil_jax.models import choose_layers
from distil_jax.models.layer_choice import RULES


@pytest.mark.parametrize(
    ("teacher", "rule", "count", "expected"),
    [
        (12, "every_other", None, (0, 2, 4, 6, 8, 10)),
        (12, "every_other", 3, (0, 2, 4)),
        (12, "original", None, (0, 2, 4, 7, 9, 11)),
        (12, "evenly_spaced", 6, (0, 2, 4, 7, 9, 11)),
        (24, "evenly_spaced", 3, (0, 12, 23)),
        (7, "evenly_spaced", 1, (0,)),
        (6, "first", 2, (0, 1)),
        (6, "last", 2, (4, 5)),
        (1, "every_other", 0, (0,)),
        (6, [5, 0], None, (5, 0)),
        (6, "0,3", None, (0, 3)),
        (6, " (0, 3,) ", 2, (0, 3)),
        (6, "3", None, (0, 3, 5)),
        (6, "3,", None, (3,)),
    ],
)
def test_rules(teacher, rule, count, expected):
    assert choose_layers(teacher, rule, count) == expected


@pytest.mark.parametrize("teacher", range(1, 30))
def test_even_spacing_rises_from_first_to_last(teacher):
    for count in range(2, teacher + 1):
        chosen = choose_layers(teacher, "evenly_spaced", count)
        steps = [after - before for before, after in itertools.pairwise(chosen)]
        assert (chosen[0], chosen[-1], len(chosen)) == (0, teacher - 1, count)
        assert min(steps) > 0
        assert max(steps) - min(steps) <= 1


@pytest.mark.parametrize(
    ("teacher", "rule", "count", "message"),
    [
        (12, "every_third", None, "'every_third' is unknown; .*first, last, how many"),
        (12, "every_other", 7, "cannot take 7 layers of a 12-layer teacher"),
        (6, "original", None, "'original' cannot take 3 layers of a 6-layer"),
        (4, "first", 5, "cannot take 5 layers"),
        (4, [0, 4], None, "numbers between 0 and 3"),
        (4, [], None, "not layers"),
        (4, [0, 1], 3, "the student is to have 3"),
        (4, "0,1", 3, "the student is to have 3"),
        (4, "0,4", None, "numbers between 0 and 3"),
        (4, "0,,1", None, "'0,,1' is no list of layers; write one as 0,2,4"),
        (4, "0", None, "a student of 0 layers is none"),
    ],
)
def test_what_cannot_be_chosen(teacher, rule, count, message):
    with pytest.raises(UserError, match=message):
        choose_layers(teacher, rule, count)


@given(st.integers(1, 60), st.sampled_from(sorted(RULES)), st.none() | st.integers(-3, 70))
def test_any_rule_gives_that_many_rising_layers_or_a_clear_error(teacher, rule, count):
    wanted = count or max(1, teacher // 2)
    possible = (
        0
        < wanted
        <= {
            "every_other": (teacher + 1) // 2,
            "original": 6 if (teacher, wanted) == (12, 6) else 0,
        }.get(rule, teacher)
    )
    if not possible:
        with pytest.raises(UserError, match=f"{wanted} layers of a {teacher}-layer"):
            choose_layers(teacher, rule, count)
        return
    chosen = choose_layers(teacher, rule, count)
    assert len(chosen) == wanted
    assert list(chosen) == sorted(set(chosen))
    assert 0 <= chosen[0] <= chosen[-1] < teacher
    evenly = {2 * index for index in range(wanted)}
    ends = {"first": chosen[0] == 0, "last": chosen[-1] == teacher - 1}
    assert ends.get(rule, chosen[0] == 0)
    assert rule != "every_other" or set(chosen) == evenly


@given(st.integers(1, 30), st.lists(st.integers(-2, 32), max_size=8), st.none() | st.integers(0, 8))
def test_any_list_is_taken_as_it_is_or_refused(teacher, layers, count):
    fits = layers and all(0 <= layer < teacher for layer in layers)
    if fits and count in (None, 0, len(layers)):
        assert choose_layers(teacher, layers, count) == tuple(layers)
    else:
        with pytest.raises(UserError):
            choose_layers(teacher, layers, count)
