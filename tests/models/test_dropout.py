from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from distil_jax.kernels.place import Place
from distil_jax.models.dropout import dropout, sites, table_dropout

PLACE = Place.of(jnp.arange(5, dtype=jnp.uint32), 0, 0)


@pytest.mark.parametrize(
    ("rng", "rate", "rounded"),
    [
        (jax.random.key(0), 0.1, 26 / 256),
        (jax.random.key(0), 0.001, 66 / 65536),
        (jax.random.key(0), 0.5, 0.5),
        (PLACE, 0.1, 0.1),
        (PLACE, 0.001, 0.001),
        (PLACE, 0.5, 0.5),
    ],
)
def test_drops_the_rate_and_keeps_the_mean(rng: Any, rate: float, rounded: float):
    dropped = dropout(jnp.ones((5, 101, 1001)), rng, rate=rate)
    share = float((dropped == 0).mean())
    assert abs(share - rounded) < 4 * (rounded / dropped.size) ** 0.5
    np.testing.assert_allclose(dropped.max(), 1 / (1 - rounded), rtol=1e-6)
    assert abs(rounded / rate - 1) < 0.02


def test_neighbours_are_independent():
    """Four entries share a random word; their fates must not hang together."""
    kept = np.asarray(dropout(jnp.ones((1000, 1000)), jax.random.key(1), rate=0.5)) > 0
    for step in (1, 2, 3, 4):
        together = (kept[:, step:] == kept[:, :-step]).mean()
        assert abs(together - 0.5) < 0.003


def test_the_gradient_is_dropped_where_the_value_is():
    x = jnp.arange(1.0, 5 * 7 * 9 + 1).reshape(5, 7, 9)
    gradient = jax.grad(lambda x: jnp.sum(dropout(x, PLACE, rate=0.4)))(x)
    np.testing.assert_allclose(gradient * x, dropout(x, PLACE, rate=0.4), rtol=1e-6)


def test_sites_draw_other_bits():
    x = jnp.ones((5, 40, 40))
    for rng in (PLACE, jax.random.key(3)):
        one, other = (dropout(x, site, rate=0.5) for site in sites(rng, 2))
        assert abs(float((one == other).mean()) - 0.5) < 0.03


def test_a_shared_table_is_dropped_alike_whatever_rows_there_are():
    table = jnp.ones((30, 8))
    few = Place.of(jnp.arange(2, dtype=jnp.uint32), 0, 0)
    dropped = table_dropout(table, PLACE, rate=0.3)
    np.testing.assert_array_equal(dropped, table_dropout(table, few, rate=0.3))
    assert 0 < float((dropped == 0).mean()) < 1


@pytest.mark.parametrize("rng", [PLACE, jax.random.key(0)])
def test_without_rng_or_a_rate_nothing_changes(rng: Any):
    x = jnp.ones((5, 3, 3))
    assert dropout(x, None, rate=0.5) is x
    assert dropout(x, rng, rate=0.0) is x
    assert sites(None, 2) == [None, None]


@pytest.mark.parametrize("rng", [PLACE, jax.random.key(0)])
def test_keeps_the_type(rng: Any):
    x = jnp.ones((5, 3, 3), jnp.bfloat16)
    assert dropout(x, rng, rate=0.1).dtype == jnp.bfloat16
