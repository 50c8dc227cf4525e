import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distil_jax.data.validation_split import check_share, in_validation, normalised
from distil_jax.errors import UserError


@given(st.text(), st.floats(0, 0.5), st.floats(0, 0.5))
def test_raising_the_share_only_adds(text: str, share: float, more: float):
    assert not in_validation(text, share) or in_validation(text, share + more)


@given(st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1), min_size=1))
def test_case_and_spacing_do_not_matter(words: list[str]):
    spaced = "\n  ".join(words).casefold() + " "
    assert in_validation(" ".join(words), 0.5) == in_validation(spaced, 0.5)


@given(st.text(st.sampled_from(" \n\t\v\x1c\x85\xa0\u2003\u2028\u3000aBßﬁ\u0301é")))
def test_words_are_those_between_any_white_space(text: str):
    words = unicodedata.normalize("NFKC", text).casefold().split()
    assert normalised(text) == " ".join(words)


def test_about_the_share_is_held_out():
    held = sum(in_validation(f"document {number}", 0.1) for number in range(5000))
    assert 430 < held < 570
    assert not any(in_validation(f"document {number}", 0.0) for number in range(100))


def test_the_rule_does_not_change():
    """Prepared corpora and trained models rely on it for ever."""
    held = [number for number in range(200) if in_validation(f"Document  {number}", 0.03)]
    assert held == [70, 100, 129]


@pytest.mark.parametrize("share", [-0.1, 1.0, 2.5, float("nan")])
def test_shares_that_leave_nothing_are_refused(share: float):
    with pytest.raises(UserError, match="not a share"):
        check_share(share)
