"""Narrower models by slicing and by singular vectors."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from distil_jax.errors import UserError
from distil_jax.models import EncoderConfig, MaskedLM, initialize
from distil_jax.models.narrowing import check_narrower, narrow_shape, narrowed
from distil_jax.pretrained.families import make_config
from tests.forward import forward

WIDE = EncoderConfig(
    "bert", 31, hidden_size=24, layers=2, heads=4, mlp_size=40, positions=16, initializer_range=0.3,
    dropout=0.0, attention_dropout=0.0,
)  # fmt: skip
PARAMS = initialize(WIDE, jax.random.key(0))
TOKENS = jnp.arange(24).reshape(2, 12)
BATCH = {"tokens": TOKENS, "segments": jnp.ones_like(TOKENS)}


def small(**sizes: int) -> EncoderConfig:
    return narrow_shape(WIDE, **{"hidden_size": 0, "heads": 0, "mlp_size": 0, **sizes})


def biased(params: dict) -> dict:
    """With biases and scales other than 0 and 1."""
    keys = iter(jax.random.split(jax.random.key(1), 100))
    return jax.tree.map(lambda x: x + 0.1 * jax.random.normal(next(keys), x.shape), params)


@pytest.mark.parametrize("rule", ["slice", "svd"])
@pytest.mark.parametrize(
    "sizes", [{"hidden_size": 12}, {"hidden_size": 12, "heads": 4}, {"mlp_size": 8}]
)
def test_the_result_has_the_shape_and_runs(rule: str, sizes: dict[str, int]) -> None:
    shape = small(**sizes)
    params = narrowed(WIDE, shape, PARAMS, rule)
    expected = jax.eval_shape(lambda: initialize(shape, jax.random.key(0)))
    assert jax.tree.map(np.shape, params) == jax.tree.map(lambda leaf: leaf.shape, expected)
    logits = forward(MaskedLM(shape), params, BATCH)
    assert np.isfinite(np.asarray(logits)).all()


@pytest.mark.parametrize("rule", ["slice", "svd"])
def test_a_decoder_without_a_transform_may_have_a_table_of_its_own(rule: str) -> None:
    wide = make_config("gpt2", 31, 24, 2, 4, 40, 16, tied=False)
    shape = narrow_shape(wide, hidden_size=12, heads=0, mlp_size=0)
    params = narrowed(wide, shape, initialize(wide, jax.random.key(0)), rule)
    expected = jax.eval_shape(lambda: initialize(shape, jax.random.key(0)))
    assert jax.tree.map(np.shape, params) == jax.tree.map(lambda leaf: leaf.shape, expected)


@pytest.mark.parametrize("rule", ["slice", "svd"])
def test_dimensions_that_the_wide_model_leaves_empty_are_not_missed(rule: str) -> None:
    """Attention scores and values of a model that uses half of its hidden state and heads' rank."""
    wide = jax.tree.map(np.array, biased(PARAMS))
    used = np.arange(24) < 12
    embeddings, layer = wide["encoder"]["embeddings"], wide["encoder"]["layers"]
    for name in ("tokens", "positions"):
        embeddings[name][:, ~used] = 0
    for name in ("query", "key", "value"):
        of_heads = layer["attention"][name]["kernel"].reshape(2, 24, 4, 6)
        of_heads[..., 3:] = 0
        layer["attention"][name]["bias"].reshape(2, 4, 6)[..., 3:] = 0
    shape = small(hidden_size=12, heads=4)
    found = narrowed(WIDE, shape, wide, rule)["encoder"]["layers"]["attention"]
    state = np.random.default_rng(0).normal(size=(5, 24)) * used

    def scores(attention: dict, states: np.ndarray, size: int) -> np.ndarray:
        query, key = (
            (states @ attention[name]["kernel"][0] + attention[name]["bias"][0]).reshape(5, 4, size)
            for name in ("query", "key")
        )
        return np.einsum("qhd,khd->hqk", query, key) / np.sqrt(size)

    if rule == "slice":  # the basis is the first half; a smaller root divides the same products
        ours = scores(found, state[:, :12], 3) / np.sqrt(2)
    else:
        table = embeddings["tokens"].astype(np.float64)
        basis = np.linalg.eigh(table.T @ table)[1][:, ::-1][:, :12]
        ours = scores(found, state @ basis, 3)
    np.testing.assert_allclose(ours, scores(layer["attention"], state, 6), rtol=2e-4, atol=2e-4)


def test_usual_sizes() -> None:
    assert dataclasses.astuple(small(hidden_size=12))[2:6] == (12, 2, 2, 20)
    assert small(hidden_size=16).heads == 4  # heads of 6 do not divide it
    assert small() == WIDE
    with pytest.raises(UserError, match="hidden_size=10 is no multiple of 4 heads"):
        small(hidden_size=10)


@pytest.mark.parametrize(
    ("rule", "sizes", "message"),
    [
        ("slice", {"hidden_size": 48}, "hidden_size=48, but the teacher is 24 wide"),
        ("svd", {"mlp_size": 50}, "mlp_size=50, but the teacher is 40 wide"),
        ("slice", {"hidden_size": 16, "heads": 8}, "8 heads of 2 cannot be made"),
        ("prune", {"hidden_size": 12, "heads": 4}, "prune keeps whole heads of 6"),
    ],
)
def test_sizes_that_weights_cannot_be_made_of(
    rule: str, sizes: dict[str, int], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        check_narrower(WIDE, small(**sizes), rule)
