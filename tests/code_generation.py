"""How the programs of the tests are compiled: as for users, or quickly, which takes a fifth.

XLA reads its flags once, so each process begins with those of quick programs (`FLAGS`), the ones
that are started here too. In this one, programs that are not to be quick get the usual options.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

FLAGS = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
"""Plain loops instead of fused ones, in one module of LLVM instead of 32."""
USUAL = {"xla_cpu_use_fusion_emitters": True, "xla_cpu_parallel_codegen_split_count": 32}
_fused: list[bool] = []
"""Not empty within `fused`."""


@contextmanager
def fused() -> Iterator[None]:
    """Within `quick`: XLA's own loops all the same, for figures that were recorded with them."""
    _fused.append(True)
    try:
        yield
    finally:
        _fused.pop()


def flags(devices: int) -> str:
    """XLA_FLAGS of a process with so many simulated devices."""
    return f"{FLAGS} --xla_force_host_platform_device_count={devices}"


def usual_unless_quick() -> None:
    """From now on each program of this process has XLA's defaults, those within `quick` apart."""
    from jax._src import compiler

    made = compiler.get_compile_options

    def options(*given: Any, **named: Any) -> Any:
        found = made(*given, **named)
        if _fused or not compiler._DISABLE_MOST_OPTIMIZATIONS.value:
            found.env_option_overrides = [*found.env_option_overrides, *USUAL.items()]
        return found

    compiler.get_compile_options = options


@contextmanager
def quick() -> Iterator[None]:
    """Next to no optimisation, in programs started here too."""
    import jax

    before = jax.config.read("jax_disable_most_optimizations")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
        jax.config.update("jax_disable_most_optimizations", True)
        try:
            yield
        finally:
            jax.config.update("jax_disable_most_optimizations", before)
