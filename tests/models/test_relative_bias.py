"""relative_bias: the buckets are PyTorch's, and a segment's bias does not depend on its place."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

from distil_jax import models
from distil_jax.models.block import Block
from distil_jax.models.relative_bias import BUCKETS, buckets, relative_bias
from tests.forward import forward


def test_buckets_are_those_of_pytorch_at_every_distance():
    distances = np.arange(-600, 601)
    theirs = MPNetEncoder.relative_position_bucket(torch.tensor(distances)).numpy()
    np.testing.assert_array_equal(buckets(distances), theirs)
    assert set(theirs) == set(range(BUCKETS)) - {BUCKETS // 2}


def test_the_bias_is_the_tables_value_by_distance():
    table = jnp.arange(2.0 * BUCKETS).reshape(BUCKETS, 2)
    bias = np.asarray(relative_bias(table, 40))
    assert bias.shape == (2, 40, 40)
    assert bias[1, 3, 3] == table[0, 1]
    assert bias[0, 3, 5] == table[16 + 2, 0]
    assert bias[0, 39, 0] == table[buckets(np.asarray([-39]))[0], 0]


@pytest.mark.parametrize("scan", [False, True])
def test_packed_sequences_are_what_each_is_alone(config, scan):
    config = replace(config, block=Block(relative_bias=True))
    params = models.initialize(config, jax.random.key(0))["encoder"]
    params = jax.tree.map(lambda leaf: 20 * leaf, params)
    encoder = models.Encoder(config, scan=scan)
    tokens = np.random.default_rng(0).integers(0, 50, (1, 12))
    segments = np.asarray([[1] * 4 + [2] * 6 + [0] * 2])

    def run(tokens, segments):
        batch = {"tokens": jnp.asarray(tokens), "segments": jnp.asarray(segments)}
        return np.asarray(forward(encoder, params, batch))

    packed = run(tokens, segments)
    for start, stop in ((0, 4), (4, 10)):
        alone = run(tokens[:, start:stop], np.ones((1, stop - start), np.int32))
        np.testing.assert_allclose(packed[:, start:stop], alone, atol=1e-5)


@pytest.mark.optimised
@pytest.mark.parametrize("rematerialise", ["attention", "layer"])
def test_the_tables_gradient_is_the_same_recomputed(config, batch, rematerialise):
    config = replace(config, block=Block(relative_bias=True))
    params = models.initialize(config, jax.random.key(0))["encoder"]
    params = jax.tree.map(lambda leaf: 2 * leaf, params)
    wanted = np.random.default_rng(0).normal(size=config.hidden_size)

    def gradient(**options):
        encoder = models.Encoder(config, **options)

        def loss(params):
            return jnp.sum(encoder.apply({"params": params}, batch) @ wanted)

        return np.asarray(jax.jit(jax.grad(loss))(params)["relative_bias"])

    looped, scanned = gradient(), gradient(scan=True, rematerialise=rematerialise)
    assert np.abs(looped).max() > 1e-2
    np.testing.assert_allclose(scanned, looped, rtol=0, atol=1e-4 * np.abs(looped).max())
