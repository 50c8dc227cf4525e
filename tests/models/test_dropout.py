import jax
import jax.numpy as jnp
import numpy as np
import pytest

from distil_jax.models.dropout import dropout


@pytest.mark.parametrize(("rate", "rounded"), [(0.1, 26 / 256), (0.001, 66 / 65536), (0.5, 0.5)])
def test_drops_the_rate_and_keeps_the_mean(rate: float, rounded: float):
    dropped = dropout(jnp.ones((501, 1001)), jax.random.key(0), rate=rate)
    share = float((dropped == 0).mean())
    assert abs(share - rounded) < 5 * (rounded / dropped.size) ** 0.5
    np.testing.assert_allclose(dropped.max(), 1 / (1 - rounded), rtol=1e-6)
    assert abs(rounded / rate - 1) < 0.02


def test_neighbours_are_independent():
    """Four entries share a random word; their fates must not hang together."""
    kept = np.asarray(dropout(jnp.ones((1000, 1000)), jax.random.key(1), rate=0.5)) > 0
    for step in (1, 2, 3, 4):
        together = (kept[:, step:] == kept[:, :-step]).mean()
        assert abs(together - 0.5) < 0.003


def test_without_a_key_or_a_rate_nothing_changes():
    x = jnp.arange(3.0)
    assert dropout(x, None, rate=0.5) is x
    assert dropout(x, jax.random.key(0), rate=0.0) is x


def test_keeps_the_type():
    assert dropout(jnp.ones(7, jnp.bfloat16), jax.random.key(0), rate=0.1).dtype == jnp.bfloat16
