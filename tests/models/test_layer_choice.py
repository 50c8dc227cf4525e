import itertools

import pytest

from distil_jax.errors import UserError
from distil_jax.models import choose_layers


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
        (12, "every_third", None, "'every_third' is unknown"),
        (12, "every_other", 7, "cannot take 7 layers of a 12-layer teacher"),
        (6, "original", None, "'original' cannot take 3 layers of a 6-layer"),
        (4, "first", 5, "cannot take 5 layers"),
        (4, [0, 4], None, "numbers between 0 and 3"),
        (4, [], None, "not layers"),
        (4, [0, 1], 3, "the student is to have 3"),
    ],
)
def test_what_cannot_be_chosen(teacher, rule, count, message):
    with pytest.raises(UserError, match=message):
        choose_layers(teacher, rule, count)
