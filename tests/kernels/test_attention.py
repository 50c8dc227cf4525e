"""The attention kernels, run as plain operations, give what the plain code gives."""

from functools import partial
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from distil_jax import models
from distil_jax.kernels import attention_check
from distil_jax.kernels.attention import attention
from distil_jax.kernels.place import Place
from distil_jax.models import Encoder, initialize
from distil_jax.models.attention import attend
from distil_jax.models.segments import attention_bias
from distil_jax.pretrained.families import make_config

PLACE = Place.of(jnp.arange(2, dtype=jnp.uint32), 0, 5)


def packed(length: int) -> jax.Array:
    """A row of two sequences and padding, and one of a single sequence."""
    index = np.arange(length)
    two = np.where(index < length // 2, 1, np.where(index < length - length // 8, 2, 0))
    return jnp.asarray(np.stack([two, np.ones(length)]), jnp.int32)


def differences(
    form: str,
    length: int,
    head_size: int,
    dtype: Any = jnp.float32,
    *,
    biased: bool = False,
    **options: Any,
) -> list[float]:
    """How far output and gradients are from the plain code's: share of their largest, or of 1."""
    dropped = options.pop("dropout_rate", 0.1)
    keys = jax.random.split(jax.random.key(1), 4)
    *heads, weights = (
        jax.random.normal(key, (2, length, 2, head_size)).astype(dtype) for key in keys
    )
    segments, place = packed(length), PLACE if dropped else None
    bias = attention_bias(segments, **options)

    added = [jax.random.normal(keys[0], (2, length, length))] if biased else []

    def plain(*x: jax.Array) -> jax.Array:
        of_heads = x[3] if biased else None
        return attend(*x[:3], bias, place, dropout_rate=dropped, relative=of_heads)[0]

    def kernel(*x: jax.Array) -> jax.Array:
        of_heads = x[3] if biased else None
        given = {"bias": of_heads, "dropout_rate": dropped, "interpret": form, **options}
        return attention(*x[:3], segments, place, **given)

    def results(run: Any) -> tuple[jax.Array, ...]:
        output, backward = jax.vjp(run, *heads, *added)
        return output, *backward(weights)

    ours, theirs = (
        [np.asarray(x, np.float32) for x in jax.jit(partial(results, run))()]
        for run in (kernel, plain)
    )
    assert all(np.isfinite(x).all() for x in ours)
    return [
        float(abs(one - other).max() / max(1.0, abs(other).max()))
        for one, other in zip(ours, theirs, strict=True)
    ]


@pytest.mark.parametrize(
    ("form", "length", "head_size", "options"),
    [
        ("gpu", 100, 32, {}),
        ("tpu", 100, 96, {}),
        ("gpu", 1, 64, {"dropout_rate": 0.0}),
        ("tpu", 1, 64, {"dropout_rate": 0.0}),
        ("gpu", 200, 64, {"causal": True, "window": 33}),
        ("tpu", 200, 128, {"window": 20}),
        ("gpu", 100, 32, {"biased": True}),
        ("tpu", 150, 64, {"biased": True}),
        ("gpu", 1, 64, {"biased": True, "dropout_rate": 0.0}),
        ("tpu", 130, 32, {"biased": True, "window": 20, "causal": True}),
    ],
)
def test_output_and_gradients_are_those_of_the_plain_code(
    form: str, length: int, head_size: int, options: dict
) -> None:
    output, *gradients = differences(form, length, head_size, **options)
    assert output < 1e-5
    assert max(gradients) < 1e-4


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float32, np.int32])
def test_a_mask_of_any_type_is_two_segments(dtype: type) -> None:
    """Also -1: what fills the row of 20 up to a block is of no segment of its own."""
    states = jax.random.normal(jax.random.key(0), (1, 20, 1, 16))
    mask = np.arange(20)[None] < 12
    given = -mask.astype(dtype) if dtype == np.int32 else mask.astype(dtype)
    ours, expected = (
        attention(states, states, states, jnp.asarray(segments), None, interpret="gpu")
        for segments in (given, np.where(mask, 1, 2))
    )
    np.testing.assert_allclose(ours, expected, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["gpu", "tpu"])
@pytest.mark.parametrize(
    ("length", "head_size", "options"),
    [(500, 64, {}), (512, 96, {"causal": True}), (300, 128, {"dropout_rate": 0.0})],
)
def test_nor_do_long_rows_differ(form: str, length: int, head_size: int, options: dict) -> None:
    output, *gradients = differences(form, length, head_size, **options)
    assert output < 1e-5
    assert max(gradients) < 1e-4


@pytest.mark.parametrize("form", ["gpu", "tpu"])
def test_in_bfloat16_they_agree_to_its_precision(form: str) -> None:
    assert max(differences(form, 130, 64, jnp.bfloat16)) < 2e-2


@pytest.mark.parametrize("form", ["gpu", "tpu"])
@pytest.mark.parametrize(
    ("length", "dtype", "biased"),
    [
        (1, "bfloat16", False),
        (100, "bfloat16", True),
        (100, "float32", True),
        (300, "bfloat16", False),
    ],
)
def test_the_check_of_a_device_passes_here(
    form: str, length: int, dtype: str, biased: bool
) -> None:
    assert attention_check.problem(32, length, dtype, biased=biased, interpret=form) == ""


def test_the_check_of_a_device_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    without = partial(attention, dropout_rate=0.0)
    monkeypatch.setattr(
        attention_check,
        "attention",
        lambda *x, dropout_rate, **options: without(*x, **options),
    )
    rows = {"head_size": 16, "length": 100, "dtype": "bfloat16", "biased": False}
    assert "differs from the formula" in attention_check.problem(**rows, interpret="gpu")
    # A CPU has no kernel.
    assert "does not compile" in attention_check.problem(**rows)


@pytest.mark.parametrize("family", ["bert", "mpnet"])
def test_an_encoder_with_kernels_is_the_same_encoder(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = make_config(
        model_type=family, vocabulary=50, hidden_size=32, layers=2, heads=2, mlp_size=16,
        positions=20, dropout=0.1, attention_dropout=0.2, initializer_range=0.3,
    )  # fmt: skip
    params = initialize(shape, jax.random.key(0))["encoder"]
    assert ("relative_bias" in params) == (family == "mpnet")
    batch = {"tokens": jnp.arange(40).reshape(2, 20), "segments": packed(20)}
    called = []

    def kernel(*arrays: jax.Array, **options: Any) -> jax.Array:
        called.append(options)
        return attention(*arrays, **options, interpret="gpu")

    monkeypatch.setattr(models.attention, "attention_kernel", kernel)

    def gradients(kernels: bool) -> Any:
        encoder = Encoder(shape, scan=True, kernels=kernels)

        def total(params: Any) -> jax.Array:
            run = partial(encoder.apply, {"params": params}, batch, train=True, place=PLACE)
            return jnp.mean(run(method="run").last ** 2 * jnp.linspace(0, 1, 32))

        return jax.jit(jax.value_and_grad(total))(params)

    plain = gradients(False)
    assert not called
    chex.assert_trees_all_close(gradients(True), plain, atol=1e-5)
    assert called
