"""How the programs of the tests are compiled: quickly, which takes a fifth, or as for users.

XLA reads its flags once, so each process has those of quick programs (`FLAGS`), the ones that are
started here too. Where numbers are compared with those of another implementation or are the
compiler's own counts, the test is marked `optimised`: its programs get the usual options.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

FLAGS = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
"""Plain loops instead of fused ones, in one module of LLVM instead of 32."""
QUICK = "JAX_DISABLE_MOST_OPTIMIZATIONS"
"""Next to no optimisation, in this process and those started here."""
USUAL = {"xla_cpu_use_fusion_emitters": True, "xla_cpu_parallel_codegen_split_count": 32}
MARKER = "optimised"
_fused: list[bool] = []
"""Not empty within `fused`."""


@contextmanager
def fused() -> Iterator[None]:
    """Quick, but with XLA's own loops: for figures that were recorded with them."""
    _usual_options_unless_quick()
    _fused.append(True)
    try:
        yield
    finally:
        _fused.pop()


def flags(devices: int) -> str:
    """XLA_FLAGS of a process with so many simulated devices."""
    return f"{FLAGS} --xla_force_host_platform_device_count={devices}"


def begin() -> None:
    """Before JAX is imported: quick programs, eight devices."""
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags(8)}"
    os.environ[QUICK] = "1"


@pytest.hookimpl(wrapper=True)
def compiled_as_marked(item: pytest.Item) -> Iterator[None]:
    """Fixtures that this test is the first to need are made as it is."""
    if item.get_closest_marker(MARKER) is None:
        return (yield)
    with optimised():
        return (yield)


@contextmanager
def optimised() -> Iterator[None]:
    """Within it, programs are compiled as for users, in processes started here too."""
    import jax

    _usual_options_unless_quick()
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv(QUICK)
        jax.config.update(QUICK.lower(), False)
        try:
            yield
        finally:
            jax.config.update(QUICK.lower(), True)


def _usual_options_unless_quick() -> None:
    """XLA's defaults instead of `FLAGS`, for programs that are not quick or are `fused`."""
    from jax._src import compiler

    made = compiler.get_compile_options
    if made.__module__ == __name__:
        return

    def options(*given: Any, **named: Any) -> Any:
        found = made(*given, **named)
        if _fused or not compiler._DISABLE_MOST_OPTIMIZATIONS.value:
            found.env_option_overrides = [*found.env_option_overrides, *USUAL.items()]
        return found

    compiler.get_compile_options = options
