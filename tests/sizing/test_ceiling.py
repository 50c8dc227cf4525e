"""ceiling and chips: what a device reaches, and which published peak is its own."""

import time

import jax
import jax.numpy as jnp
import pytest

from distil_jax.sizing import ceiling, chips


def test_a_product_rate_agrees_with_a_product_timed_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ceiling.SIDE, "cpu", 512)
    product = jax.jit(jnp.matmul)
    factor = jnp.ones((512, 512))
    product(factor, factor).block_until_ready()
    seconds = []
    for _ in range(20):
        began = time.perf_counter()
        product(factor, factor).block_until_ready()
        seconds.append(time.perf_counter() - began)
    fastest, slowest = (2 * 512**3 / one for one in (min(seconds), max(seconds)))
    # Other work may run beside either: within a factor of five of what was seen here.
    assert slowest / 5 < ceiling.product_rate("float32") < 5 * fastest


def test_a_device_that_is_known_has_its_chip_s_peak() -> None:
    assert chips.of_device("TPU v5 lite") is chips.CHIPS["v5e"]
    assert chips.of_device("NVIDIA H200") is chips.CHIPS["h200"]
    assert chips.of_device("NVIDIA H100 PCIe") is None
    assert chips.of_device("cpu") is None
