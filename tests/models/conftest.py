"""A small encoder's shape, its random parameters, and a batch of packed and padded rows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from distil_jax import models
from distil_jax.pretrained.families import make_config


@pytest.fixture(scope="session")
def config() -> models.EncoderConfig:
    return make_config(
        model_type="bert",
        vocabulary=50,
        hidden_size=16,
        layers=2,
        heads=2,
        mlp_size=32,
        positions=12,
        token_types=2,
        initializer_range=0.3,
    )


@pytest.fixture(scope="session")
def params(config: models.EncoderConfig):
    """Every leaf random, biases and LayerNorms too: a forgotten one shows."""
    draw = np.random.default_rng(1)
    return jax.tree.map(
        lambda leaf: jax.device_put(leaf + draw.normal(0, 0.1, leaf.shape).astype(np.float32)),
        jax.device_get(models.initialize(config, jax.random.key(0))),
    )


@pytest.fixture(scope="session")
def batch():
    """Three segments and padding in one row, one full row, one row of padding alone."""
    tokens = jax.random.randint(jax.random.key(2), (3, 12), 0, 50)
    segments = [[1] * 3 + [2] * 4 + [3] * 3 + [0] * 2, [1] * 12, [0] * 12]
    return {"tokens": tokens, "segments": jnp.asarray(segments, jnp.int32)}
