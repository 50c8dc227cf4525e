"""topologies: what the names mean, and the nearest name where there is none."""

import pytest

from distil_jax.errors import UsageError
from distil_jax.planning.chips import GENERATIONS
from distil_jax.planning.topologies import find


@pytest.mark.parametrize(
    ("name", "chips", "grid"),
    [
        ("v4-8", 4, (2, 2, 1)),
        ("v4-32", 16, (2, 2, 4)),
        ("v4-128", 64, (4, 4, 4)),
        ("v5p-2048", 1024, (8, 8, 16)),
        ("v5e-1", 1, (1, 1)),
        ("v5e-16", 16, (4, 4)),
        ("v5litepod-256", 256, (16, 16)),
        ("v6e-8", 8, (2, 4)),
        ("tpu7x-8", 8, (2, 2, 1)),
        ("tpu7x-128", 128, (4, 4, 4)),
        ("h100-8", 8, (8,)),
    ],
)
def test_names_count_what_the_cloud_counts(name: str, chips: int, grid: tuple[int, ...]) -> None:
    topology = find(name)
    assert (topology.chips, topology.grid) == (chips, grid)


def test_slices_multiply_the_chips() -> None:
    assert (find("2xv4-32").chips, find("2xv4-32").slices) == (32, 2)
    assert find("2xV4-32").name == "2xv4-32"


def test_every_slice_is_found_by_its_own_name() -> None:
    for generation in GENERATIONS:
        chip = generation.chip.name
        for chips in generation.grids:
            counted = 2 if chip in ("v4", "v5p", "tpu7x") else 1
            topology = find(f"{chip}-{chips * counted}")
            devices = chips * (2 if chip == "tpu7x" else 1)
            assert (topology.chips, topology.name) == (devices, f"{chip}-{chips * counted}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("v4-30", "the nearest is v4-32"),
        ("v5p-2000", "the nearest is v5p-2048"),
        ("v5e-3", "the nearest is v5e-4"),
        ("tpu7x-4", "the nearest is tpu7x-8"),
        ("ironwood-9", "counts TensorCores, two to a chip"),
        ("v44-8", "did you mean v4-8?"),
        ("b200-3", "the nearest is b200-4"),
        ("v4", "write CHIP-SIZE like v4-32"),
        ("", "write CHIP-SIZE like v4-32"),
        ("0xv4-8", "at least one slice"),
    ],
)
def test_what_does_not_exist_is_reported_with_what_does(name: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        find(name)
    assert message in str(error.value)


def test_a_ring_uses_both_ways_of_an_axis_that_closes() -> None:
    link = find("v4-8").chip.link_bandwidth
    assert find("v4-8").ring_bandwidth == 2 * link
    assert find("v4-128").ring_bandwidth == 6 * link
    assert find("v5e-256").ring_bandwidth == 4 * find("v5e-256").chip.link_bandwidth
    assert find("h100-16").ring_bandwidth == find("h100-16").chip.link_bandwidth
