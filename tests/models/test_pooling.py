import jax.numpy as jnp
import numpy as np
import pytest

from distil_jax.models.pooling import pool, pool_rows

HIDDEN = np.random.default_rng(0).normal(size=(2, 6, 3)).astype(np.float32)
STARTS, LENGTHS = np.asarray([0, 2, 7, 0]), np.asarray([2, 4, 3, 0])
EXPECTED = {
    "first": [HIDDEN[0, 0], HIDDEN[0, 2], HIDDEN[1, 1]],
    "last": [HIDDEN[0, 1], HIDDEN[0, 5], HIDDEN[1, 3]],
    "mean": [HIDDEN[0, :2].mean(0), HIDDEN[0, 2:].mean(0), HIDDEN[1, 1:4].mean(0)],
}


@pytest.mark.parametrize("how", EXPECTED)
def test_each_slot_of_packed_rows_gives_its_own(how):
    pooled = np.asarray(pool(jnp.asarray(HIDDEN), jnp.asarray(STARTS), jnp.asarray(LENGTHS), how))
    np.testing.assert_allclose(pooled[:3], EXPECTED[how], atol=1e-6)
    assert np.isfinite(pooled).all()


@pytest.mark.parametrize("how", EXPECTED)
def test_rows_of_one_sequence_are_slots(how):
    segments = jnp.asarray([[1, 1, 0, 0, 0, 0], [1] * 6], jnp.int32)
    by_row = pool_rows(jnp.asarray(HIDDEN), segments, how)
    by_slot = pool(jnp.asarray(HIDDEN), jnp.asarray([0, 6]), jnp.asarray([2, 6]), how)
    np.testing.assert_allclose(by_row, by_slot, atol=1e-6)
