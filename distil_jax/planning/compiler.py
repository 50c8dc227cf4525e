"""The compilers of chips that are not here: which one a topology needs, and its devices."""

from types import ModuleType

from distil_jax.planning import gpu_compiler, tpu_compiler
from distil_jax.planning.chips import Chip
from distil_jax.planning.topologies import Topology
from distil_jax.training.parallel import Devices


def is_installed(chip: Chip) -> bool:
    """Whether programs for this chip can be compiled here."""
    return bool(_of(chip).is_installed())


def devices(topology: Topology, mode: str) -> Devices:
    """The chips of `topology`, those of a slice or node together.

    They exist in name only. Raises `UserError` where the compiler is missing or another version.
    """
    return Devices(mode, tuple(_of(topology.chip).described(topology)))


def options(chip: Chip) -> dict[str, str]:
    """What the compiler is given besides the program."""
    return dict(_of(chip).OPTIONS)


def extra(chip: Chip) -> str:
    """The extra of setup.cfg that brings the compiler."""
    return str(_of(chip).EXTRA)


def _of(chip: Chip) -> ModuleType:
    return tpu_compiler if chip.is_tpu else gpu_compiler
