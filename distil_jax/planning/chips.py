"""Published peaks of accelerator chips; units are FLOP/s, bytes and bytes/s, all per chip."""

from dataclasses import dataclass

GIB = 2**30


@dataclass(frozen=True)
class Chip:
    """One chip, the unit that is allocated and that one process drives as one device.

    Attributes:
      flops: dense bfloat16 products with float32 accumulation.
      hbm_bytes: what a program can use, by the compiler's own limit where it states one.
      hbm_bandwidth: of the memory, read and write together.
      link_bandwidth: one way, of one link between chips (ICI); NVLink's sum for a GPU.
      links: of one chip.
      network_bandwidth: one way, of a chip's share of its host's network (DCN).
      source: where the figures are published.
    """

    name: str
    flops: float
    hbm_bytes: float
    hbm_bandwidth: float
    link_bandwidth: float
    links: int
    network_bandwidth: float
    source: str

    @property
    def is_tpu(self) -> bool:
        return self.name.startswith("v")


TPU_DOCUMENTATION = "https://cloud.google.com/tpu/docs/"
SCALING_BOOK = "https://jax-ml.github.io/scaling-book/tpus (network per chip)"

# Usable HBM: what libtpu 0.0.42 names as "available HBM" when a program does not fit.
CHIPS = {
    chip.name: chip
    for chip in (
        Chip(
            "v4",
            flops=275e12,
            hbm_bytes=30.75 * GIB,
            hbm_bandwidth=1200e9,
            link_bandwidth=50e9,
            links=6,
            network_bandwidth=6.25e9,
            source=f"{TPU_DOCUMENTATION}v4; links: arXiv:2304.01433, table 4; {SCALING_BOOK}",
        ),
        Chip(
            "v5e",
            flops=197e12,
            hbm_bytes=15.75 * GIB,
            hbm_bandwidth=819e9,
            link_bandwidth=50e9,
            links=4,
            network_bandwidth=3.125e9,
            source=f"{TPU_DOCUMENTATION}v5e (400 GB/s over 4 ports; 2 x 100 Gbit/s for 8 chips)",
        ),
        Chip(
            "v5p",
            flops=459e12,
            hbm_bytes=95.74 * GIB,
            hbm_bandwidth=2765e9,
            link_bandwidth=100e9,
            links=6,
            network_bandwidth=6.25e9,
            source=f"{TPU_DOCUMENTATION}v5p (4,800 Gbit/s over 6 ports); {SCALING_BOOK}",
        ),
        Chip(
            "v6e",
            flops=918e12,
            hbm_bytes=31.25 * GIB,
            hbm_bandwidth=1638e9,
            link_bandwidth=100e9,
            links=4,
            network_bandwidth=12.5e9,
            source=f"{TPU_DOCUMENTATION}v6e (800 GB/s both ways over 4 ports); {SCALING_BOOK}",
        ),
        Chip(
            "a100",
            flops=312e12,
            hbm_bytes=80e9,
            hbm_bandwidth=2039e9,
            link_bandwidth=300e9,
            links=1,
            network_bandwidth=25e9,
            source="NVIDIA A100 80 GB SXM data sheet; 200 Gbit/s per GPU as in a DGX A100",
        ),
        Chip(
            "h100",
            flops=989e12,
            hbm_bytes=80e9,
            hbm_bandwidth=3350e9,
            link_bandwidth=450e9,
            links=1,
            network_bandwidth=50e9,
            source="NVIDIA H100 SXM data sheet; 400 Gbit/s per GPU as in a DGX H100",
        ),
        Chip(
            "h200",
            flops=989e12,
            hbm_bytes=141e9,
            hbm_bandwidth=4800e9,
            link_bandwidth=450e9,
            links=1,
            network_bandwidth=50e9,
            source="NVIDIA H200 SXM data sheet; 400 Gbit/s per GPU as in a DGX H200",
        ),
    )
}

DEVICE_KINDS = {
    "TPU v4": "v4",
    "TPU v5 lite": "v5e",
    "TPU v5e": "v5e",
    "TPU v5": "v5p",
    "TPU v5p": "v5p",
    "TPU v6 lite": "v6e",
    "TPU v6e": "v6e",
    "NVIDIA A100-SXM4-80GB": "a100",
    "NVIDIA H100 80GB HBM3": "h100",
    "NVIDIA H200": "h200",
}
"""What `jax.Device.device_kind` says of each; another form of a card has other peaks."""


def of_device(kind: str) -> Chip | None:
    """The chip of a device that is here, None where no peak of it is known."""
    return CHIPS[DEVICE_KINDS[kind]] if kind in DEVICE_KINDS else None
