import jax.numpy as jnp
import numpy as np

from distil_jax.models import segments


def test_positions_restart_in_each_segment_and_in_the_padding():
    rows = jnp.asarray([[1, 1, 1, 2, 2, 3, 0, 0], [1, 1, 1, 1, 1, 1, 1, 1]])
    expected = [[0, 1, 2, 0, 1, 0, 0, 1], list(range(8))]
    np.testing.assert_array_equal(segments.restarting_positions(rows), expected)


def test_given_positions_win():
    given = jnp.asarray([[4, 3]])
    batch = {"segments": jnp.ones((1, 2), jnp.int32), "positions": given}
    assert segments.positions(batch) is given


def test_only_the_own_segment_is_seen_and_padding_by_padding_alone():
    bias = segments.attention_bias(jnp.asarray([[1, 1, 2, 0]]))
    seen = [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    np.testing.assert_array_equal(bias[0, 0] == 0, np.asarray(seen, bool))
    assert np.isfinite(bias).all()
