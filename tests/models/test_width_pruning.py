from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from distil_jax.losses import masked_lm
from distil_jax.models import Encoder, EncoderConfig, MaskedLM, initialize
from distil_jax.models.block import Block
from distil_jax.models.mlm_head_fit import fit_mlm_head
from distil_jax.models.width_pruning import prune_width
from tests.forward import forward


@pytest.fixture(scope="module")
def wide():
    config = EncoderConfig(
        "bert", 50, hidden_size=24, layers=2, heads=3, mlp_size=40, positions=32, token_types=2
    )
    return config, initialize(config, jax.random.key(0))["encoder"]


@pytest.fixture(scope="module")
def batch():
    tokens = np.random.default_rng(0).integers(0, 50, (64, 32), np.int32)
    return {"tokens": jnp.asarray(tokens), "segments": jnp.ones_like(tokens)}


def hidden(config, params, batch):
    return np.asarray(forward(Encoder(config), params, batch))


@pytest.mark.slow
def test_the_same_shape_is_the_same_function(wide, batch):
    config, params = wide
    same, fitted = prune_width(config, params, batch, hidden_size=24, heads=3, mlp_size=40)
    assert same == config
    fresh = {**batch, "tokens": batch["tokens"][::-1, ::-1]}
    error = hidden(config, params, fresh) - hidden(same, fitted, fresh)
    assert np.square(error).mean() < 1e-4 * np.var(hidden(config, params, fresh))


def test_a_narrow_encoder_has_its_shape_and_its_parents_states(wide, batch):
    """Nearer to the kept dimensions than their means are, on rows it was not fitted on."""
    config, params = wide
    small, fitted = prune_width(config, params, batch, hidden_size=16, heads=2, mlp_size=24)
    shapes = jax.tree.map(jnp.shape, initialize(small, jax.random.key(0))["encoder"])
    assert jax.tree.map(jnp.shape, dict(fitted)) == shapes
    fresh = {**batch, "tokens": batch["tokens"][::-1, ::-1]}
    kept = hidden(small, fitted, fresh).reshape(-1, 16)
    before = hidden(config, params, fresh).reshape(-1, 24)
    table = np.asarray(params["embeddings"]["tokens"])
    dimensions = [
        int(np.flatnonzero((table == column[:, None]).all(axis=0))[0])
        for column in fitted["embeddings"]["tokens"].T
    ]
    error = np.square(kept - before[:, dimensions]).mean()
    assert error < 0.5 * np.var(before[:, dimensions], axis=0).mean()


def test_a_width_without_whole_heads_is_refused(wide, batch):
    config, params = wide
    with pytest.raises(AssertionError, match="16"):
        prune_width(config, params, batch, hidden_size=16, heads=3, mlp_size=24)


def test_a_first_head_knows_more_than_the_frequencies(wide, batch):
    """A token's own hidden state tells it, so predicting unmasked tokens is easy to fit."""
    config, params = wide
    states = hidden(config, params, batch).reshape(-1, 24)
    labels = np.asarray(batch["tokens"]).ravel()
    table = np.asarray(params["embeddings"]["tokens"])
    counts = np.bincount(labels, minlength=50)
    head = fit_mlm_head(states, labels, table, counts, function="gelu", epsilon=1e-12)
    params = jax.tree.map(jnp.asarray, {"encoder": params, "head": head})
    logits = forward(MaskedLM(config), params, batch)
    loss = float(masked_lm(logits, batch["tokens"]).value())
    shares = counts / counts.sum()
    assert loss < 0.5 * -np.sum(shares * np.log(shares))


@pytest.mark.parametrize(
    "options",
    [
        {"block": Block("pre", False, True, True, False, False, (0, 3))},
        {"block": Block(norm="pre", embedding_norm=False, causal=True)},
        {"embedding_size": 10},
    ],
)
def test_other_blocks_of_the_same_shape_are_the_same_function(wide, batch, options):
    config = replace(wide[0], **options)
    params = initialize(config, jax.random.key(0))["encoder"]
    same, fitted = prune_width(config, params, batch, hidden_size=24, heads=3, mlp_size=40)
    assert same == config
    assert jax.tree.map(jnp.shape, fitted) == jax.tree.map(jnp.shape, params)
    fresh = {**batch, "tokens": batch["tokens"][::-1, ::-1]}
    error = hidden(config, params, fresh) - hidden(same, fitted, fresh)
    assert np.square(error).mean() < 1e-3 * np.var(hidden(config, params, fresh))
