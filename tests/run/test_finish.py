"""What a run says of the gap that its student closed."""

import pytest

from distil_jax.run.finish import _gap


@pytest.mark.parametrize(
    ("teacher", "first", "last", "said"),
    [
        (2.0, 4.0, 2.5, "75%"),
        (2.0, 4.0, 1.5, "125%"),
        (2.0, 2.001, 2.5, "no gap to speak of"),
        (2.0, 1.9, 1.8, "no gap to speak of"),
    ],
)
def test_share_of_the_gap_is_given_only_where_there_was_one(
    teacher: float, first: float, last: float, said: str
) -> None:
    losses = {"teacher": teacher, "student, initialised": first, "student, distilled": last}
    assert said in _gap({name: {"masked_lm": loss} for name, loss in losses.items()})
