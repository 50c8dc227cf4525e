"""Names of accelerator slices: `v4-32`, `v5e-16`, `2xv5p-128` (two slices), `h100-8`."""

import difflib
import math
import re
from dataclasses import dataclass

from distil_jax.errors import UsageError
from distil_jax.planning.chips import CHIPS, Chip

CUBES: dict[int, tuple[int, ...]] = {
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
SQUARES: dict[int, tuple[int, ...]] = {
    1: (1, 1),
    4: (2, 2),
    8: (2, 4),
    16: (4, 4),
    32: (4, 8),
    64: (8, 8),
    128: (8, 16),
    256: (16, 16),
}
NODE_GPUS = 8
"""GPUs of a machine, which NVLink connects; beyond it there is the network."""

ALIASES = {"v5litepod": "v5e", "v5lite": "v5e", "v6": "v6e", "trillium": "v6e"}
GRIDS: dict[str, dict[int, tuple[int, ...]]] = {
    "v4": CUBES,
    "v5p": CUBES,
    "v5e": SQUARES,
    "v6e": SQUARES,
    **{name: {n: (n,) for n in (1, 2, 4, 8, 16, 32, 64)} for name in ("a100", "h100", "h200")},
}
"""The slices of each chip by their number of chips."""

CORES = {"v4": 2, "v5p": 2}
"""TensorCores of a chip, where a slice's name counts them: v4-8 is four chips."""


@dataclass(frozen=True)
class Topology:
    """Chips and how they are connected.

    Attributes:
      grid: chips along each axis of one slice.
      slices: of equal size, connected by the data centre's network.
    """

    chip: Chip
    grid: tuple[int, ...]
    slices: int = 1

    @property
    def slice_chips(self) -> int:
        return math.prod(self.grid)

    @property
    def chips(self) -> int:
        return self.slice_chips * self.slices

    @property
    def name(self) -> str:
        one = f"{self.chip.name}-{self.slice_chips * CORES.get(self.chip.name, 1)}"
        return one if self.slices == 1 else f"{self.slices}x{one}"

    @property
    def group_chips(self) -> int:
        """Chips that are connected by more than the data centre's network: a slice, a GPU node."""
        return self.slice_chips if self.chip.is_tpu else min(self.slice_chips, NODE_GPUS)

    @property
    def ring_bandwidth(self) -> float:
        """Bytes/s that leave a chip at one time when all chips of a group sum an array.

        One link for each axis, two where the axis closes to a ring: cubes of 4 on v4 and v5p, 16
        chips on v5e and v6e. A GPU's is NVLink.
        """
        if not self.chip.is_tpu:
            return self.chip.link_bandwidth
        links = sum((2 if self._closes(size) else 1) for size in self.grid if size > 1)
        return max(links, 1) * self.chip.link_bandwidth

    def _closes(self, size: int) -> bool:
        if self.chip.name in CORES:
            return all(one % 4 == 0 for one in self.grid)
        return size == 16


def find(name: str) -> Topology:
    """The topology a name means; raises `UsageError` naming the nearest one there is."""
    match = re.fullmatch(r"(?:(\d+)x)?([a-z]+\d*[a-z]*)-(\d+)", name.strip().lower())
    if match is None:
        raise UsageError(
            f"--topology={name} is no topology; write CHIP-SIZE like v4-32, v5e-16, v6e-8 or "
            "h100-8, and 2xv4-32 for two slices"
        )
    slices, kind, size = int(match.group(1) or 1), match.group(2), int(match.group(3))
    kind = ALIASES.get(kind, kind)
    if kind not in GRIDS:
        near = difflib.get_close_matches(kind, GRIDS, n=1, cutoff=0.3)
        hint = f"did you mean {near[0]}-{size}?" if near else f"chips are {', '.join(GRIDS)}"
        raise UsageError(f"--topology={name}: no chip is called {kind!r}; {hint}")
    if slices < 1:
        raise UsageError(f"--topology={name}: it must have at least one slice")
    cores = CORES.get(kind, 1)
    grid = GRIDS[kind].get(size // cores) if size % cores == 0 else None
    if grid is None:
        nearest = min(GRIDS[kind], key=lambda chips: abs(math.log(chips * cores / max(size, 1))))
        counted = " (it counts TensorCores, two to a chip)" if cores == 2 else ""
        raise UsageError(
            f"--topology={name}: there is no slice {kind}-{size}{counted}; "
            f"the nearest is {kind}-{nearest * cores}"
        )
    return Topology(CHIPS[kind], grid, slices)
