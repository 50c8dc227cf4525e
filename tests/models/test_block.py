"""Every option of the block specification: the layers are what plain numpy computes."""

import math
from dataclasses import replace
from functools import partial

import jax
import numpy as np
import pytest

from distil_jax import models
from distil_jax.errors import UserError
from distil_jax.models.block import Block
from tests.forward import forward

BLOCKS = {
    "post": Block(),
    "pre": Block(norm="pre"),
    "pre_without_first": Block(norm="pre", first_norm=False),
    "no_embedding_norm": Block(norm="pre", embedding_norm=False),
    "gated": Block(gated=True),
    "no_biases": Block(biases=False),
    "causal": Block(causal=True),
    "windows": Block(windows=(0, 2, 1)),
    "one_window": Block(windows=(2, 2, 2)),
    "relative_bias": Block(relative_bias=True),
    "causal_window": Block(causal=True, windows=(2, 2, 2)),
    "rotary": Block(position_table=False, thetas=(100.0, 10.0, 10.0)),
    "modern": Block(
        norm="pre",
        first_norm=False,
        gated=True,
        biases=False,
        windows=(0, 2, 2, 0, 2, 2, 0),
        position_table=False,
        thetas=(100.0, 10.0, 10.0, 100.0, 10.0, 10.0, 100.0),
    ),
}


def random_params(config):
    leaves, tree = jax.tree.flatten(models.initialize(config, jax.random.key(0)))
    draw = np.random.default_rng(1)
    return tree.unflatten(
        np.asarray(leaf) + draw.normal(0, 0.1, leaf.shape).astype(np.float32) for leaf in leaves
    )


def dense(x, params):
    return x @ params["kernel"] + params.get("bias", 0)


def norm(x, params, epsilon):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon) * params[
        "scale"
    ] + params.get("bias", 0)


def gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def seen(config, segments, number):
    """Which key each query may see, pair by pair."""
    block, length = config.block, segments.shape[1]
    window = block.windows[number] if block.windows else 0
    may_see = np.zeros((len(segments), length, length), bool)
    for row, query, key in np.ndindex(may_see.shape):
        may_see[row, query, key] = (
            segments[row, query] == segments[row, key]
            and (not block.causal or key <= query)
            and (not window or abs(query - key) <= window)
        )
    return may_see[:, None]


def rotated(x, positions, theta):
    """Pair i of a head as a complex number, turned by position * theta^(-2 i / head_size)."""
    half = x.shape[-1] // 2
    angles = positions[:, :, None, None] * theta ** (-np.arange(half) / half)
    turned = (x[..., :half] + 1j * x[..., half:]) * np.exp(1j * angles)
    return np.concatenate([turned.real, turned.imag], axis=-1)


def attention(config, params, hidden, may_see, relative, positions, theta):
    shape = (*hidden.shape[:2], config.heads, config.head_size)
    query, key, value = (dense(hidden, params[n]).reshape(shape) for n in ("query", "key", "value"))
    if theta:
        query, key = (rotated(x, positions, theta) for x in (query, key))
    scores = np.einsum("bqhd,bkhd->bhqk", query, key) / math.sqrt(config.head_size)
    scores = scores + relative
    shares = np.where(may_see, np.exp(scores), 0)
    shares /= shares.sum(-1, keepdims=True)
    mixed = np.einsum("bhqk,bkhd->bqhd", shares, value).reshape(hidden.shape)
    return dense(mixed, params["output"])


def relative_bias(encoder, length):
    """T5's buckets, pair by pair, in the words of the paper; 0 without a table."""
    if "relative_bias" not in encoder:
        return 0.0
    bias = np.zeros((length, length, encoder["relative_bias"].shape[1]))
    for query, key in np.ndindex(length, length):
        far = abs(key - query)
        bucket = far if far < 8 else min(15, 8 + int(8 * math.log(far / 8) / math.log(16)))
        bias[query, key] = encoder["relative_bias"][bucket + (16 if key > query else 0)]
    return bias.transpose(2, 0, 1)


def feed_forward(config, params, hidden):
    active = gelu(dense(hidden, params["mlp_in"]))
    if config.block.gated:
        active = active * dense(hidden, params["mlp_gate"])
    return dense(active, params["mlp_out"])


def plain(config, encoder, batch):
    """The final hidden states of an encoder in float64, layer by layer."""
    block, epsilon = config.block, config.norm_epsilon
    tables, segments = encoder["embeddings"], np.asarray(batch["segments"])
    positions = np.asarray(models.segments.restarting_positions(batch["segments"]))
    hidden = tables["tokens"][np.asarray(batch["tokens"])] + tables["token_types"][0]
    hidden = hidden.astype(np.float64)
    if block.position_table:
        hidden = hidden + tables["positions"][positions]
    if block.embedding_norm:
        hidden = norm(hidden, tables["norm"], epsilon)
    if config.embedding_size:
        hidden = dense(hidden, tables["projection"])
    relative = relative_bias(encoder, segments.shape[1])
    for number in range(config.layers):
        layer = jax.tree.map(lambda leaf, n=number: np.asarray(leaf[n]), encoder["layers"])
        attend = partial(
            attention,
            config,
            layer["attention"],
            may_see=seen(config, segments, number),
            relative=relative,
            positions=positions,
            theta=block.thetas[number] if block.thetas else 0,
        )
        if block.norm == "post":
            hidden = norm(hidden + attend(hidden), layer["attention_norm"], epsilon)
            hidden = norm(hidden + feed_forward(config, layer, hidden), layer["mlp_norm"], epsilon)
            continue
        first = number == 0 and not block.first_norm
        read = hidden if first else norm(hidden, layer["attention_norm"], epsilon)
        hidden = hidden + attend(read)
        read = norm(hidden, layer["mlp_norm"], epsilon)
        hidden = hidden + feed_forward(config, layer, read)
    return norm(hidden, encoder["final_norm"], epsilon) if block.norm == "pre" else hidden


@pytest.mark.parametrize("scan", [False, True])
@pytest.mark.parametrize("name", BLOCKS)
def test_each_block_is_what_plain_numpy_computes(config, batch, name, scan):
    block = BLOCKS[name]
    config = replace(config, layers=len(block.windows) or 3, block=block)
    params = random_params(config)["encoder"]
    encoder = models.Encoder(config, scan=scan)
    hidden = forward(encoder, params, batch)
    np.testing.assert_allclose(hidden, plain(config, params, batch), rtol=0, atol=5e-5)


def test_factorised_embeddings_and_their_masked_lm_head(config, batch):
    config = replace(config, embedding_size=6)
    params = random_params(config)
    assert params["encoder"]["embeddings"]["tokens"].shape == (50, 6)
    model = models.MaskedLM(config)
    hidden, features = forward(model, params, batch, "features")
    expected = plain(config, params["encoder"], batch)
    np.testing.assert_allclose(hidden, expected, rtol=0, atol=5e-5)
    head = params["head"]
    expected = norm(gelu(dense(expected, head["dense"])), head["norm"], config.norm_epsilon)
    np.testing.assert_allclose(features, expected, rtol=0, atol=2e-4)
    logits = forward(model, params, batch)
    table = params["encoder"]["embeddings"]["tokens"]
    np.testing.assert_allclose(logits, features @ table.T + head["bias"], atol=1e-4)


def test_without_biases_blocks_have_none(config):
    config = replace(config, block=Block(biases=False, gated=True))
    encoder = models.initialize(config, jax.random.key(0))["encoder"]
    names = {path[-1].key for path, _ in jax.tree.leaves_with_path(encoder)}
    assert names == {"kernel", "scale", "tokens", "positions", "token_types"}


def test_intermediates_of_a_pre_norm_encoder_end_behind_the_last_norm(config, batch):
    config = replace(config, block=Block(norm="pre"))
    params = random_params(config)["encoder"]
    encoder = models.Encoder(config)
    states = forward(encoder, params, batch, "hidden_states")
    last = forward(encoder, params, batch)
    np.testing.assert_allclose(states[-1], last, atol=1e-5)


def test_a_student_keeps_the_last_norm(config, batch):
    config = replace(config, block=Block(norm="pre"), student_rule=None)
    params = random_params(config)
    student, student_params = models.student_from_teacher(config, params, range(config.layers))
    before = models.MaskedLM(config).apply({"params": params}, batch)
    after = models.MaskedLM(student).apply({"params": student_params}, batch)
    np.testing.assert_array_equal(before, after)


def test_a_layer_before_another_attends_without_a_norm_and_must_be_the_first(config):
    config = replace(config, layers=3, block=BLOCKS["pre_without_first"], student_rule=None)
    with pytest.raises(UserError, match=r"layers \[1, 2\] begin with 1; .* put 0 first"):
        config.student((1, 2), keep_token_types=True)


def test_attention_scores_of_a_window_are_those_of_whole_rows(config, batch):
    """A layer that computes block by block has none to give: it then computes whole rows."""
    config = replace(config, block=BLOCKS["one_window"], layers=3)
    params = random_params(config)["encoder"]
    request = models.intermediates.Request(attention_scores=frozenset({1, 3}))
    for scan in (False, True):
        encoder = models.Encoder(config, scan=scan)
        values = forward(encoder, params, batch, "run", request)
        assert {n: s.shape for n, s in values.attention_scores.items()} == dict.fromkeys(
            (1, 3), (3, 2, 12, 12)
        )
        last = forward(encoder, params, batch)
        np.testing.assert_allclose(values.last, last, rtol=0, atol=5e-5)
