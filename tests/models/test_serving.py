"""serving: the encoder's own hidden states, from layers kept apart."""

import jax
import jax.numpy as jnp
import numpy as np

from distil_jax.models import Encoder, EncoderConfig, initialize
from distil_jax.models.serving import encode, unstack


def test_unstacked_layers_give_the_encoders_hidden_states() -> None:
    config = EncoderConfig(
        model_type="bert",
        vocabulary=50,
        width=16,
        layers=3,
        heads=2,
        inner_width=32,
        positions=12,
        token_types=2,
    )
    params = initialize(config, jax.random.key(1))
    segments = jnp.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], jnp.int32)
    batch = {"tokens": jnp.arange(10, dtype=jnp.int32).reshape(2, 5), "segments": segments}
    expected = Encoder(config).apply({"params": params["encoder"]}, batch)
    unstacked = unstack(params)
    assert len(unstacked["layers"]) == 3
    np.testing.assert_allclose(encode(config, unstacked, batch), expected, atol=1e-6)
