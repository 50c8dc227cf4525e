"""Names of accelerator slices: `v4-32`, `v5e-16`, `2xv5p-128` (two slices), `h100-8`."""

import difflib
import math
import re
from dataclasses import dataclass

from distil_jax.errors import UsageError
from distil_jax.planning.chips import BY_NAME, Chip, Generation, Grid

NODE_GPUS = 8
"""GPUs of a machine, which NVLink connects; beyond it there is the network."""

ALIASES = {alias: name for name, chip in BY_NAME.items() for alias in chip.aliases}


@dataclass(frozen=True)
class Topology:
    """Chips and how they are connected.

    Attributes:
      grid: chips along each axis of one slice.
      slices: of equal size, connected by the data centre's network.
    """

    chip: Chip
    grid: Grid
    slices: int = 1

    @property
    def generation(self) -> Generation:
        return BY_NAME[self.chip.name]

    @property
    def slice_chips(self) -> int:
        """Of a slice, counted as devices."""
        return math.prod(self.grid) * self.chip.devices

    @property
    def chips(self) -> int:
        return self.slice_chips * self.slices

    @property
    def name(self) -> str:
        one_slice = f"{self.chip.name}-{self.slice_chips * self.generation.cores}"
        return one_slice if self.slices == 1 else f"{self.slices}x{one_slice}"

    @property
    def group_chips(self) -> int:
        """Chips that are connected by more than the data centre's network: a slice, a GPU node."""
        return self.slice_chips if self.chip.is_tpu else min(self.slice_chips, NODE_GPUS)

    @property
    def ring_bandwidth(self) -> float:
        """Bytes/s that leave a chip at one time when all chips of a group sum an array.

        One link for each axis, two where the axis closes to a ring: cubes of 4 on v4, v5p and
        TPU7x, 16
        chips on v5e and v6e. A GPU's is NVLink.
        """
        if not self.chip.is_tpu:
            return self.chip.link_bandwidth
        closes = self.generation.closes
        links = sum((2 if closes(self.grid, size) else 1) for size in self.grid if size > 1)
        return max(links, 1) * self.chip.link_bandwidth


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
    if kind not in BY_NAME:
        near = difflib.get_close_matches(kind, BY_NAME, n=1, cutoff=0.3)
        hint = f"did you mean {near[0]}-{size}?" if near else f"chips are {', '.join(BY_NAME)}"
        raise UsageError(f"--topology={name}: no chip is called {kind!r}; {hint}")
    if slices < 1:
        raise UsageError(f"--topology={name}: it must have at least one slice")
    generation = BY_NAME[kind]
    cores = generation.cores
    counted = cores * generation.chip.devices
    grid = generation.grids.get(size // counted) if size % counted == 0 else None
    if grid is None:
        nearest = min(
            generation.grids, key=lambda chips: abs(math.log(chips * counted / max(size, 1)))
        )
        why = " (it counts TensorCores, two to a chip)" if counted == 2 else ""
        raise UsageError(
            f"--topology={name}: there is no slice {kind}-{size}{why}; "
            f"the nearest is {kind}-{nearest * counted}"
        )
    return Topology(generation.chip, grid, slices)
