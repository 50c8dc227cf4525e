"""Accelerator chips: published peaks, the slices there are, and the names they go by.

Units are FLOP/s, bytes and bytes/s, all per chip. A new generation is one entry of `GENERATIONS`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

GIB = 2**30
Grid = tuple[int, ...]
"""Chips along each axis of a slice."""


@dataclass(frozen=True)
class Reached:
    """Shares of a chip's published peaks that large matmuls and streams through memory reach.

    Where nothing was measured on the chip they are 1: what follows is a bound, not a forecast.
    """

    matmuls: float = 1.0
    memory: float = 1.0
    source: str = "nothing was measured on one: published peaks"


@dataclass(frozen=True)
class Chip:
    """One chip, that JAX drives as one device; of TPU7x, whose chips are two, half of one.

    Attributes:
      flops: dense bfloat16 matmuls with float32 accumulation.
      hbm_bytes: what a program can use, by the compiler's own limit where it states one.
      hbm_bandwidth: of the memory, read and write together.
      link_bandwidth: one way, of one link between chips (ICI); NVLink's sum for a GPU.
      links: of one chip.
      network_bandwidth: one way, of a chip's share of its host's network (DCN).
      source: where the figures are published.
      reached: shares of `flops` and `hbm_bandwidth` that programs reach.
      devices: that one package is, each of these figures and with its own memory; grids count
        packages, names devices.
    """

    name: str
    flops: float
    hbm_bytes: float
    hbm_bandwidth: float
    link_bandwidth: float
    links: int
    network_bandwidth: float
    source: str
    reached: Reached = Reached()
    devices: int = 1

    @property
    def is_tpu(self) -> bool:
        return self.name.startswith(("v", "tpu"))


@dataclass(frozen=True)
class Generation:
    """A chip, and how it is allocated and named.

    Attributes:
      grids: the slices there are, by their number of chips.
      closes: whether an axis of a grid, of so many chips, closes to a ring.
      cores: TensorCores of a chip, where a slice's name counts them: v4-8 is four chips.
      aliases: other names that a user may write.
      device_kinds: what `jax.Device.device_kind` says; another form of a card has other peaks.
    """

    chip: Chip
    grids: Mapping[int, Grid]
    closes: Callable[[Grid, int], bool]
    cores: int = 1
    aliases: tuple[str, ...] = ()
    device_kinds: tuple[str, ...] = ()


CUBES: dict[int, Grid] = {
    4: (2, 2, 1),
    8: (2, 2, 2),
    16: (2, 2, 4),
    32: (2, 4, 4),
    64: (4, 4, 4),
    128: (4, 4, 8),
    256: (4, 8, 8),
    512: (8, 8, 8),
    1024: (8, 8, 16),
    2048: (8, 16, 16),
    4096: (16, 16, 16),
}
SQUARES: dict[int, Grid] = {
    1: (1, 1),
    4: (2, 2),
    8: (2, 4),
    16: (4, 4),
    32: (4, 8),
    64: (8, 8),
    128: (8, 16),
    256: (16, 16),
}
NODES: dict[int, Grid] = {gpus: (gpus,) for gpus in (1, 2, 4, 8, 16, 32, 64)}


def _cube_closes(grid: Grid, size: int) -> bool:
    """v4, v5p and TPU7x: every axis of a slice that is made of whole cubes of 4 chips a side."""
    return all(axis % 4 == 0 for axis in grid)


def _square_closes(grid: Grid, size: int) -> bool:
    """v5e and v6e: an axis of 16 chips."""
    return size == 16


def _never_closes(grid: Grid, size: int) -> bool:
    return False


TPU_DOCUMENTATION = "https://cloud.google.com/tpu/docs/"
SCALING_BOOK = "https://jax-ml.github.io/scaling-book/tpus (network per chip)"

H200_REACHED = Reached(0.66, 0.87, "one H200, 2026-11-26 (docs/performance.md)")

# Usable HBM: what libtpu 0.0.42 names as "available HBM" when a program does not fit.
GENERATIONS = (
    Generation(
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
        grids=CUBES,
        closes=_cube_closes,
        cores=2,
        device_kinds=("TPU v4",),
    ),
    Generation(
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
        grids=SQUARES,
        closes=_square_closes,
        aliases=("v5litepod", "v5lite"),
        device_kinds=("TPU v5 lite", "TPU v5e"),
    ),
    Generation(
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
        grids=CUBES,
        closes=_cube_closes,
        cores=2,
        device_kinds=("TPU v5", "TPU v5p"),
    ),
    Generation(
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
        grids=SQUARES,
        closes=_square_closes,
        aliases=("v6", "trillium"),
        device_kinds=("TPU v6 lite", "TPU v6e"),
    ),
    Generation(
        # A chip is two devices: its figures are halved.
        Chip(
            "tpu7x",
            flops=2307e12 / 2,
            hbm_bytes=94.75 * GIB,
            hbm_bandwidth=7380e9 / 2,
            link_bandwidth=100e9 / 2,
            links=6,
            network_bandwidth=12.5e9 / 2,
            source=f"{TPU_DOCUMENTATION}tpu7x (1,200 GB/s both ways over 6 ports), per TensorCore",
            devices=2,
        ),
        grids=CUBES,
        closes=_cube_closes,
        aliases=("v7x", "ironwood"),
        device_kinds=("TPU7x",),
    ),
    Generation(
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
        grids=NODES,
        closes=_never_closes,
        device_kinds=("NVIDIA A100-SXM4-80GB",),
    ),
    Generation(
        Chip(
            "h100",
            flops=989e12,
            hbm_bytes=80e9,
            hbm_bandwidth=3350e9,
            link_bandwidth=450e9,
            links=1,
            network_bandwidth=50e9,
            source="NVIDIA H100 SXM data sheet; 400 Gbit/s per GPU as in a DGX H100",
            # The same chip with other memory.
            reached=H200_REACHED,
        ),
        grids=NODES,
        closes=_never_closes,
        device_kinds=("NVIDIA H100 80GB HBM3",),
    ),
    Generation(
        Chip(
            "h200",
            flops=989e12,
            hbm_bytes=141e9,
            hbm_bandwidth=4800e9,
            link_bandwidth=450e9,
            links=1,
            network_bandwidth=50e9,
            source="NVIDIA H200 SXM data sheet; 400 Gbit/s per GPU as in a DGX H200",
            reached=H200_REACHED,
        ),
        grids=NODES,
        closes=_never_closes,
        device_kinds=("NVIDIA H200",),
    ),
    Generation(
        Chip(
            "b200",
            flops=2250e12,
            hbm_bytes=180e9,
            hbm_bandwidth=7700e9,
            link_bandwidth=900e9,
            links=1,
            network_bandwidth=50e9,
            source="NVIDIA DGX B200 data sheet (36 PFLOPS bfloat16 with sparsity and 62 TB/s of 8)",
        ),
        grids=NODES,
        closes=_never_closes,
        device_kinds=("NVIDIA B200",),
    ),
    Generation(
        Chip(
            "l4",
            flops=121e12,
            hbm_bytes=23.5e9,
            hbm_bandwidth=300e9,
            link_bandwidth=32e9,
            links=1,
            network_bandwidth=3.125e9,
            source="NVIDIA L4 data sheet; PCIe 4.0 x16; 200 Gbit/s for 8 as in g2-standard-96",
        ),
        grids=NODES,
        closes=_never_closes,
        device_kinds=("NVIDIA L4",),
    ),
)
BY_NAME = {generation.chip.name: generation for generation in GENERATIONS}
CHIPS = {name: generation.chip for name, generation in BY_NAME.items()}


def of_device(kind: str) -> Chip | None:
    """The chip of a device that is here, None where no peak of it is known."""
    matching = (generation.chip for generation in GENERATIONS if kind in generation.device_kinds)
    return next(matching, None)
