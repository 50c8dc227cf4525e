"""chips: which published peak is a device's own."""

from distil_jax.planning import chips


def test_a_device_that_is_known_has_its_chips_peak() -> None:
    assert chips.of_device("TPU v5 lite") is chips.CHIPS["v5e"]
    assert chips.of_device("NVIDIA H200") is chips.CHIPS["h200"]
    assert chips.of_device("NVIDIA H100 PCIe") is None
    assert chips.of_device("cpu") is None
