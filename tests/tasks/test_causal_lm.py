import numpy as np
import pytest

from distil_jax.errors import UserError
from distil_jax.losses import IGNORE
from distil_jax.tasks.causal_lm import windows


@pytest.mark.parametrize("shared", [1, 2, 5])
@pytest.mark.parametrize("count", [2, 6, 7, 23])
def test_every_token_but_the_first_is_predicted_once(count, shared):
    tokens = np.arange(100, 100 + count, dtype=np.int32)
    rows, segments, labels = windows(tokens, 6, shared, pad=0)
    predicted = labels[labels != IGNORE]
    np.testing.assert_array_equal(np.sort(predicted), tokens[1:])
    # Each by the token before it, and behind the first window with `shared` tokens before it.
    before, places = rows[labels != IGNORE], np.nonzero(labels != IGNORE)
    np.testing.assert_array_equal(before, predicted - 1)
    assert (places[1][places[0] > 0] >= shared - 1).all()
    assert ((rows > 0) == (segments > 0)).all()


def test_with_none_shared_no_window_predicts_its_first_token():
    _, _, labels = windows(np.arange(1, 9, dtype=np.int32), 4, 0, pad=0)
    assert labels.tolist() == [[2, 3, 4, IGNORE], [6, 7, 8, IGNORE]]


def test_windows_that_share_all_are_refused():
    with pytest.raises(UserError, match="windows of 4 tokens cannot share 4; use a smaller stride"):
        windows(np.arange(9, dtype=np.int32), 4, 4, pad=0)
