"""Requested intermediates: what plain numpy computes, in every way of running the layers."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from distil_jax import models
from distil_jax.errors import UserError
from distil_jax.models import Request
from tests.forward import forward

ALL = Request(*[frozenset({1, 2, 3})] * 4) | Request(hidden_states=frozenset({0}))
SOME = Request(frozenset({1}), frozenset({2}), frozenset({3}), frozenset({1, 2}))
REQUESTS = {"all": ALL, "some": SOME, "none": Request()}


@pytest.fixture(scope="module")
def shape(config):
    from dataclasses import replace

    return replace(config, layers=3)


@pytest.fixture(scope="module")
def weights(shape):
    return models.initialize(shape, jax.random.key(3))["encoder"]


def run(config, params, batch, request, *, train=False, **options):
    encoder = models.Encoder(config, **options)
    apply = partial(encoder.apply, method="run", train=train, request=request)
    rngs = {"dropout": jax.random.key(4)} if train else None
    return jax.jit(partial(apply, rngs=rngs))({"params": params}, batch)


def expected(config, params, states, number):
    """Queries, keys, values, scores and attention output of one layer from its input, in numpy."""
    layer = jax.tree.map(lambda leaf: np.asarray(leaf[number - 1]), params["layers"])
    hidden = np.asarray(states[number - 1], np.float64)
    parts = {}
    for name in ("query", "key", "value"):
        dense = layer["attention"][name]
        part = hidden @ dense["kernel"] + dense["bias"]
        parts[name] = part.reshape(
            *hidden.shape[:2], config.heads, config.hidden_size // config.heads
        )
    scores = np.einsum("bqhd,bkhd->bhqk", parts["query"], parts["key"])
    scores /= np.sqrt(config.hidden_size // config.heads)
    return parts, scores


@pytest.mark.parametrize("scan", [False, True])
def test_values_are_those_of_plain_numpy(shape, weights, batch, scan):
    values = run(shape, weights, batch, ALL, scan=scan)
    segments = np.asarray(batch["segments"])
    seen = (segments[:, :, None] == segments[:, None, :])[:, None]
    for number in (1, 2, 3):
        parts, scores = expected(shape, weights, values.hidden_states, number)
        near = partial(np.testing.assert_allclose, rtol=0, atol=2e-5)
        near(values.queries[number], parts["query"])
        near(values.keys[number], parts["key"])
        near(values.values[number], parts["value"])
        near(values.attention_scores[number], scores)
        shares = np.where(seen, np.exp(scores), 0)
        shares /= shares.sum(axis=-1, keepdims=True)
        mixed = np.einsum("bhqk,bkhd->bqhd", shares, parts["value"])
        near(values.attention_output[number], mixed.reshape(*segments.shape, -1))
    np.testing.assert_array_equal(values.hidden_states[3], values.last)


@pytest.mark.parametrize("rematerialise", ["none", "attention", "layer"])
@pytest.mark.parametrize("train", [False, True])
def test_some_or_all_scanned_or_looped_are_the_same(shape, weights, batch, rematerialise, train):
    whole = run(shape, weights, batch, ALL, train=train)
    for scan in (False, True):
        values = run(
            shape, weights, batch, SOME, train=train, scan=scan, rematerialise=rematerialise
        )
        assert {name: set(found) for name, found in vars(values).items() if name != "last"} == {
            "hidden_states": {1},
            "attention_scores": {2},
            "queries": {3},
            "keys": {3},
            "values": {3},
            "attention_output": {1, 2},
        }
        for path, value in jax.tree.leaves_with_path(values):
            np.testing.assert_allclose(
                value, dict(jax.tree.leaves_with_path(whole))[path], atol=1e-5, err_msg=str(path)
            )


@pytest.mark.parametrize("rematerialise", ["none", "attention", "layer"])
def test_gradients_flow_through_every_value_alike(shape, weights, batch, rematerialise):
    def gradient(request: Request, scan: bool, rematerialise: models.types.Rematerialise):
        encoder = models.Encoder(shape, scan=scan, rematerialise=rematerialise)

        def loss(params):
            values = encoder.apply({"params": params}, batch, method="run", request=request)
            return sum(jnp.sin(leaf).sum() for leaf in jax.tree.leaves(values))

        return jax.jit(jax.grad(loss))(weights)

    for request in (ALL, SOME):
        plain = jax.tree.leaves(gradient(request, False, "none"))
        scanned = jax.tree.leaves(gradient(request, True, rematerialise))
        for one, other in zip(plain, scanned, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=2e-3)


@pytest.mark.parametrize("scan", [False, True])
def test_a_teachers_scan_carries_no_more_than_what_is_requested(shape, weights, batch, scan):
    """Of one layer's scores in three: the array itself, and one that all other layers write."""
    encoder = models.Encoder(shape, scan=scan)
    request = Request(attention_scores=frozenset({2}))
    program = jax.make_jaxpr(partial(encoder.apply, method="run", request=request))
    text = str(program({"params": weights}, batch))
    assert "f32[3,3,2,12,12]" not in text
    assert ("f32[2,3,2,12,12]" in text) == scan


def test_requests_unite_and_name_each_layers_collections():
    union = SOME | Request(hidden_states=frozenset({2}))
    assert union.hidden_states == {1, 2}
    assert union.of_layer(3) == ("queries", "keys", "values")
    assert union.of_layer(2) == ("attention_scores", "attention_output")
    assert Request().of_layer(1) == ()


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request(hidden_states=frozenset({4})), "hidden_states of layer 4 .* between 0 and 3"),
        (Request(attention_scores=frozenset({0})), "attention_scores of layer 0 .* between 1 and"),
    ],
)
def test_a_layer_that_is_not_there_is_refused(shape, weights, batch, request_, message):
    with pytest.raises(UserError, match=message):
        run(shape, weights, batch, request_)


def test_a_masked_lm_hands_out_its_encoders(shape, batch):
    params = models.initialize(shape, jax.random.key(3))
    model = models.MaskedLM(shape)
    values = forward(model, params, batch, "run", SOME)
    direct = run(shape, params["encoder"], batch, SOME)
    np.testing.assert_allclose(values.queries[3], direct.queries[3], atol=1e-5)
    np.testing.assert_allclose(values.last, direct.last, atol=1e-5)
