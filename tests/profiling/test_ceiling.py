"""ceiling and chips: what a device reaches, and which published peak is its own."""

import pytest

from distil_jax.planning import chips
from distil_jax.profiling import ceiling


def test_a_product_rate_is_that_of_the_median_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ceiling.SIDE, "cpu", 512)
    took = [9.0, 0.5, 2.0, 1.0, 3.0, 0.25, 8.0]
    moments = iter(
        [
            moment
            for number, one in enumerate(took)
            for moment in (100.0 * number, 100.0 * number + one)
        ]
    )
    monkeypatch.setattr(ceiling.time, "perf_counter", lambda: next(moments))
    assert ceiling.product_rate("float32") == pytest.approx(2 * 512**3 / 2.0)


def test_a_product_rate_measured_here_is_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ceiling.SIDE, "cpu", 512)
    assert 1e6 < ceiling.product_rate("float32") < 1e14


def test_a_device_that_is_known_has_its_chip_s_peak() -> None:
    assert chips.of_device("TPU v5 lite") is chips.CHIPS["v5e"]
    assert chips.of_device("NVIDIA H200") is chips.CHIPS["h200"]
    assert chips.of_device("NVIDIA H100 PCIe") is None
    assert chips.of_device("cpu") is None
