"""The TPU compiler on a machine without a TPU: devices that exist in name only."""

import importlib.util
from collections.abc import Mapping
from typing import Any

import jax
from jax.experimental import topologies as jax_topologies

from distil_jax import environment
from distil_jax.errors import UserError, to_install
from distil_jax.planning.topologies import Topology

EXTRA = "tpu"
OPTIONS: Mapping[str, str] = {}
# What libtpu would otherwise ask a TPU machine's metadata server for; the type has no effect here.
LIBTPU_ENV = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v4-8",
    # No TPU is opened, so that several compilers may work at one time.
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "TPU_MIN_LOG_LEVEL": "3",
    "TPU_STDERR_LOG_LEVEL": "3",
}


def is_installed() -> bool:
    """Whether programs for TPUs can be compiled here."""
    return importlib.util.find_spec("libtpu") is not None


def described(topology: Topology) -> list[Any]:
    """The chips of `topology` in slice-major order; raises `UserError` without libtpu."""
    if not is_installed():
        raise UserError(
            f"the TPU compiler is not installed, so nothing can be compiled for {topology.name}; "
            f"{to_install(EXTRA)}; or let plan count from shapes: --no-compile"
        )
    for name, value in LIBTPU_ENV.items():
        environment.set_default(name, value)
    described: list[Any] = jax_topologies.get_topology_desc(
        platform="tpu", topology_name=compiler_name(topology), **_options(topology)
    ).devices
    ordered = sorted(described, key=lambda device: (_slice(device), device.id))
    if len(ordered) != topology.chips:
        raise UserError(
            f"the installed TPU compiler sees {len(ordered)} devices in {topology.name}, not "
            f"{topology.chips}; install the libtpu that jax {jax.__version__} asks for: "
            f"{to_install(EXTRA)}"
        )
    return ordered


def compiler_name(topology: Topology) -> str:
    """libtpu's own name of one slice: `v4:2x2x4`."""
    return f"{topology.chip.name}:{'x'.join(map(str, topology.grid))}"


def _options(topology: Topology) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if topology.generation.cores > 1:
        # The two cores of a chip work as one device, as they do in a run.
        options["chip_config_name"] = "megacore"
    if topology.slice_chips == 1:
        options["chips_per_host_bounds"] = [1] * 3
    if topology.slices > 1:
        options["num_slices"] = topology.slices
    return options


def _slice(device: Any) -> int:
    return getattr(device, "slice_index", None) or 0
