import jax
import jax.numpy as jnp
import numpy as np
import pytest

from distil_jax import models
from distil_jax.models.types import Batch, Params
from tests.forward import forward


def run(config: models.EncoderConfig, params: Params, batch: Batch, **options):
    return forward(models.Encoder(config, **options), params["encoder"], batch)


def separate(batch: Batch) -> Batch:
    """The sequences of a packed batch, one per row."""
    rows = []
    for tokens, segments in zip(
        *map(np.asarray, (batch["tokens"], batch["segments"])), strict=True
    ):
        for segment in sorted(set(segments[segments > 0])):
            own = tokens[segments == segment]
            rows.append(np.pad(own, (0, len(tokens) - len(own)), constant_values=-1))
    stacked = np.stack(rows)
    return {
        "tokens": jnp.asarray(np.maximum(stacked, 0)),
        "segments": jnp.asarray((stacked >= 0).astype(np.int32)),
    }


def test_packed_rows_equal_separate_sequences(config, params, batch):
    packed = np.asarray(run(config, params, batch))[np.asarray(batch["segments"]) > 0]
    alone = separate(batch)
    single = np.asarray(run(config, params, alone))[np.asarray(alone["segments"]) > 0]
    assert len(packed) == 22
    np.testing.assert_allclose(packed, single, atol=1e-5)


def test_packed_gradients_equal_separate_ones(config, params, batch):
    def loss(params: Params, batch: Batch):
        hidden = run(config, params, batch, scan=True)
        return jnp.where(batch["segments"][..., None] > 0, jnp.sin(hidden), 0).sum()

    gradient = jax.jit(jax.grad(loss))
    packed, single = gradient(params, batch), gradient(params, separate(batch))
    scale = max(float(jnp.linalg.norm(leaf)) for leaf in jax.tree.leaves(packed))
    for one, other in zip(jax.tree.leaves(packed), jax.tree.leaves(single), strict=True):
        assert float(jnp.linalg.norm(one - other)) <= 1e-5 * scale


def test_a_changed_token_changes_no_bit_of_other_segments(config, params, batch):
    changed = {**batch, "tokens": batch["tokens"].at[0, 4].add(1)}
    before, after = (np.asarray(run(config, params, each))[0] for each in (batch, changed))
    own = np.asarray(batch["segments"])[0] == 2
    np.testing.assert_array_equal(before[~own], after[~own])
    assert (before[own] != after[own]).any(axis=-1).all()


def test_padding_changes_nothing(config, params, batch):
    """In float64: programs of other shapes add in another order, which float32 would show."""
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), params)
        short = {name: array[1:2, :9] for name, array in batch.items()}
        padded = {name: jnp.pad(array, ((0, 0), (0, 3))) for name, array in short.items()}
        one, other = (run(config, wide, each, dtype=jnp.float64) for each in (padded, short))
        assert one.dtype == jnp.float64
        np.testing.assert_allclose(one[:, :9], other, rtol=0, atol=1e-12)


def test_a_row_of_padding_is_finite(config, params, batch):
    assert np.isfinite(run(config, params, batch)[2]).all()


def test_every_way_of_computing_gives_the_same_gradients(config, params, batch):
    key = jax.random.key(5)

    def gradients(scan: bool, rematerialise: models.types.Rematerialise):
        encoder = models.Encoder(config, scan=scan, rematerialise=rematerialise)

        def loss(encoder_params: Params):
            variables = {"params": encoder_params}
            return jnp.sin(encoder.apply(variables, batch, train=True, rngs={"dropout": key})).sum()

        return jax.jit(jax.grad(loss))(params["encoder"])

    plain = jax.tree.leaves(gradients(False, "none"))
    for scan, rematerialise in ((True, "none"), (True, "layer"), (True, "attention")):
        others = jax.tree.leaves(gradients(scan, rematerialise))
        for one, other in zip(plain, others, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_scanned_equals_looped(config, params, batch):
    scanned = run(config, params, batch, scan=True)
    np.testing.assert_allclose(scanned, run(config, params, batch), atol=1e-5)


@pytest.mark.parametrize("scan", [False, True])
def test_hidden_states_are_all_layers(config, params, batch, scan):
    encoder = models.Encoder(config, scan=scan)
    states = forward(encoder, params["encoder"], batch, "hidden_states")
    assert len(states) == config.layers + 1
    embedded = forward(encoder, params["encoder"], batch, "embed")
    np.testing.assert_allclose(states[0], embedded, atol=1e-6)
    np.testing.assert_allclose(states[-1], run(config, params, batch), atol=1e-5)


def test_dropout_needs_training_and_follows_its_key(config, params, batch):
    encoder = models.Encoder(config)
    variables = {"params": params["encoder"]}

    @jax.jit
    def trained(seed: int):
        return encoder.apply(variables, batch, train=True, rngs={"dropout": jax.random.key(seed)})

    np.testing.assert_array_equal(trained(0), trained(0))
    assert (trained(0) != trained(1)).any()
    assert (trained(0) != run(config, params, batch)).any()


def test_bfloat16_stays_near_float32(config, params, batch):
    exact = np.asarray(run(config, params, batch))
    rough = run(config, params, batch, dtype=jnp.bfloat16)
    assert rough.dtype == jnp.bfloat16
    error = np.abs(np.asarray(rough, np.float32) - exact)[:2]
    assert error.mean() < 0.02 * np.abs(exact).mean()


def test_token_types_and_positions_of_the_batch_are_used(config, params, batch):
    default = run(config, params, batch)
    other_types = run(config, params, {**batch, "token_types": jnp.ones_like(batch["tokens"])})
    other_places = run(config, params, {**batch, "positions": jnp.zeros_like(batch["tokens"])})
    assert (default != other_types).all(axis=-1).any()
    assert (default != other_places).all(axis=-1).any()
