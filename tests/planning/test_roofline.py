"""roofline: the times worked out by hand."""

import pytest

from distil_jax.planning.hlo_counts import Collective
from distil_jax.planning.roofline import network_seconds, roofline, sent_bytes, summed_bytes
from distil_jax.planning.topologies import find


def test_a_ring_sends_everything_twice_but_its_own_share() -> None:
    assert sent_bytes(find("v5e-4"), 1000.0) == (1500.0, 0.0)
    assert sent_bytes(find("v5e-1"), 1000.0) == (0.0, 0.0)
    # Between two slices: 2 x 1/2 of a chip's share; between four chips that are slices, all of it.
    assert sent_bytes(find("2xv5e-4"), 1000.0) == (1500.0, 250.0)
    assert sent_bytes(find("4xv5e-1"), 1000.0) == (0.0, 1500.0)


def test_gpus_of_several_nodes_are_one_thing_however_they_are_written() -> None:
    assert sent_bytes(find("h100-16"), 800.0) == sent_bytes(find("2xh100-8"), 800.0)
    assert network_seconds(find("h100-16"), 1e9) == network_seconds(find("2xh100-8"), 1e9)
    assert network_seconds(find("h100-16"), 1e9) > network_seconds(find("h100-8"), 1e9)


def test_one_slice_by_hand() -> None:
    # v4-8: four chips in a square of open axes, one link of 50 GB/s on each of two axes.
    assert network_seconds(find("v4-8"), 1e9) == pytest.approx(1.5e9 / 100e9)


def test_slices_exchange_each_chips_share() -> None:
    inside = network_seconds(find("v4-8"), 1e9)
    # Two slices: 2 x 1/2 of a quarter of the bytes goes out over 6.25 GB/s.
    assert network_seconds(find("2xv4-8"), 1e9) == pytest.approx(inside + 0.25e9 / 6.25e9)


def test_the_longest_limits_and_the_network_adds() -> None:
    times = roofline(find("v5e-4"), flops=197e12, traffic_bytes=819e8, summed_bytes=0.0)
    assert (times.compute, times.memory, times.network) == pytest.approx((1.0, 0.1, 0.0))
    assert times.limit == "compute"
    assert times.step == pytest.approx(1.0)


def test_the_network_takes_over_where_the_times_are_equal() -> None:
    times = roofline(find("v4-8"), flops=275e12 * 0.1, traffic_bytes=0.0, summed_bytes=1e9)
    batch = times.network_batch(1000)
    assert batch == round(1000 * 0.015 / 0.1)


def test_scattered_sums_count_whole() -> None:
    found = (
        Collective("all-reduce", 100, 1, False),
        Collective("reduce-scatter", 10, 2, False),
        Collective("all-gather", 40, 1, False),
    )
    assert summed_bytes(found, 4) == 100 + 2 * 10 * 4


# (TFLOP and TB of traffic that the compiler counts for an h200-1, tokens of a step, tokens/s that
# one H200 had on 2026-11-26): docs/performance.md.
H200_STEPS = {
    "gpu_h100": (174.1, 2.948, 512 * 512, 261_000),
    "micro-batches of 128 rows": (174.1, 2.933, 512 * 512, 263_000),
    "without dropout": (174.1, 2.849, 512 * 512, 277_000),
    "MiniLM to 3 layers": (9.894, 0.2330, 512 * 128, 827_000),
    "with dropout": (9.894, 0.2375, 512 * 128, 826_000),
    "and loss.chunk=2048": (9.895, 0.2531, 512 * 128, 802_000),
    "MiniLM, masked LM": (5.568, 0.1470, 512 * 128, 1_436_000),
    "3 layers, masked LM": (3.365, 0.0812, 512 * 128, 2_475_000),
}


@pytest.mark.parametrize("name", H200_STEPS)
def test_the_expected_rate_is_within_a_quarter_of_what_an_h200_had(name: str) -> None:
    tflop, terabytes, tokens, measured = H200_STEPS[name]
    times = roofline(
        find("h200-1"), flops=tflop * 1e12, traffic_bytes=terabytes * 1e12, summed_bytes=0.0
    )
    assert tokens / times.expected == pytest.approx(measured, rel=0.25)
