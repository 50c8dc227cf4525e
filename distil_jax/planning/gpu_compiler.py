"""The GPU compiler on a machine without a GPU: XLA's CUDA plugin, loaded by hand.

The plugin's own start-up looks for CUDA and fails on such a machine, so its library is registered
here. What it compiles then is what a run compiles, but for the timing of kernels against each
other (autotuning), which needs the chip.
"""

import contextlib
import functools
import os
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path
from typing import Any

import jax
import jaxlib
from jax._src import xla_bridge
from jax.experimental import topologies as jax_topologies

from distil_jax.errors import UserError, to_install
from distil_jax.planning.topologies import Topology

EXTRA = "gpu-plan"
OPTIONS: Mapping[str, str] = {"xla_gpu_autotune_level": "0"}
CUDA_VERSIONS = ("12", "13")


def is_installed() -> bool:
    """Whether programs for GPUs can be compiled here."""
    return _plugin() is not None


def described(topology: Topology) -> list[Any]:
    """The GPUs of `topology`, a machine's beside each other; raises `UserError` without plugin."""
    found = _plugin()
    if found is None:
        raise UserError(
            f"the GPU compiler is not installed, so nothing can be compiled for {topology.name}; "
            f"{to_install(EXTRA)}"
        )
    if found[0].version != jaxlib.__version__:
        raise UserError(
            f"{found[0].name} {found[0].version} is not the GPU compiler of jaxlib "
            f"{jaxlib.__version__}; {to_install(EXTRA)}"
        )
    _register(found[1])
    target = files(__package__).joinpath(f"gpu_targets/{topology.chip.name}.txtpb").read_text()
    machines, gpus = topology.chips // topology.group_chips, topology.group_chips
    return list(
        jax_topologies.get_topology_desc(
            "", platform="cuda", target_config=target, topology=f"1x{machines}x{gpus}"
        ).devices
    )


@functools.cache
def _register(library: Path) -> None:
    """Make the plugin's compiler known to JAX, once in a process, unless JAX did at its start."""
    jax.devices()
    if "cuda" not in xla_bridge._backend_factories:
        with _standard_error_closed():
            xla_bridge.register_plugin("cuda", priority=1, library_path=str(library))


@contextlib.contextmanager
def _standard_error_closed() -> Iterator[None]:
    """While the library is loaded: it says there that it finds no driver, whatever its settings."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _plugin() -> tuple[Distribution, Path] | None:
    """The installed plugin and its library."""
    for cuda in CUDA_VERSIONS:
        try:
            found = distribution(f"jax-cuda{cuda}-pjrt")
        except PackageNotFoundError:
            continue
        library = Path(str(found.locate_file(f"jax_plugins/xla_cuda{cuda}/xla_cuda_plugin.so")))
        if library.is_file():
            return found, library
    return None
