"""The attention kernels, run as plain operations, give what the plain code gives."""

from functools import partial
from typing import Any

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
    form: str, length: int, head_size: int, dtype: Any = jnp.float32, **options: Any
) -> list[float]:
    """How far output and gradients are from the plain code's: share of their largest, or of 1."""
    dropped = options.pop("dropout_rate", 0.1)
    keys = jax.random.split(jax.random.key(1), 4)
    *heads, weights = (
        jax.random.normal(key, (2, length, 2, head_size)).astype(dtype) for key in keys
    )
    segments, place = packed(length), PLACE if dropped else None
    bias = attention_bias(segments, **options)

    def plain(*x: jax.Array) -> jax.Array:
        return attend(*x, bias, place, dropout_rate=dropped)[0]

    def kernel(*x: jax.Array) -> jax.Array:
        return attention(*x, segments, place, dropout_rate=dropped, interpret=form, **options)

    def results(run: Any) -> tuple[jax.Array, ...]:
        output, backward = jax.vjp(run, *heads)
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
    ],
)
def test_output_and_gradients_are_those_of_the_plain_code(
    form: str, length: int, head_size: int, options: dict
) -> None:
    output, *gradients = differences(form, length, head_size, **options)
    assert output < 1e-5
    assert max(gradients) < 1e-4


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
@pytest.mark.parametrize("length", [1, 100, 300])
def test_the_check_of_a_device_passes_here(form: str, length: int) -> None:
    assert attention_check.problem(32, length, form) == ""


def test_the_check_of_a_device_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    without = partial(attention, dropout_rate=0.0)
    monkeypatch.setattr(
        attention_check,
        "attention",
        lambda *x, dropout_rate, interpret: without(*x, interpret=interpret),
    )
    assert "differs from the formula" in attention_check.problem(16, 100, "gpu")
    # A CPU has no kernel.
    assert "does not compile" in attention_check.problem(16, 100)


def test_an_encoder_with_kernels_is_the_same_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = make_config(
        model_type="bert", vocabulary=50, hidden_size=32, layers=2, heads=2, mlp_size=16,
        positions=20, dropout=0.1, attention_dropout=0.2, initializer_range=0.3,
    )  # fmt: skip
    params = initialize(shape, jax.random.key(0))["encoder"]
    batch = {"tokens": jnp.arange(40).reshape(2, 20), "segments": packed(20)}
    called = []

    def kernel(*arrays: jax.Array, **options: Any) -> jax.Array:
        called.append(options)
        return attention(*arrays, **options, interpret="gpu")

    monkeypatch.setattr(models.attention, "attention_kernel", kernel)

    def output(kernels: bool) -> jax.Array:
        encoder = Encoder(shape, scan=True, kernels=kernels)
        given = {"params": params}, batch
        run = jax.jit(lambda: encoder.apply(*given, train=True, place=PLACE, method="run").last)
        return run()

    plain = output(False)
    assert not called
    np.testing.assert_allclose(output(True), plain, atol=1e-5)
    assert called
