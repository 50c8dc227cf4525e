"""Compiled programs are kept on disk, so that a run that is started again compiles nothing anew."""

import hashlib
import os
import platform
from pathlib import Path

import jax

VARIABLE = "DISTIL_JAX_CACHE"
WORTH_KEEPING_SECONDS = 0.5


def keep_compiled() -> None:
    """Use JAX's persistent cache in $DISTIL_JAX_CACHE, else ~/.cache/distil_jax; empty: none.

    $JAX_COMPILATION_CACHE_DIR, which JAX reads itself, comes first. The folder appears with the
    first program; where it cannot be written, programs are compiled each time.
    """
    root = os.environ.get(VARIABLE, "~/.cache/distil_jax")
    if not root or os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        return
    folder = Path(root).expanduser() / f"xla-{_processor()}"
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", WORTH_KEEPING_SECONDS)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


def _processor() -> str:
    """Programs for one CPU may not run on another that shares the home folder."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if _has_cpuinfo() else []
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return hashlib.sha256(f"{platform.machine()} {flags}".encode()).hexdigest()[:12]


def _has_cpuinfo() -> bool:
    return Path("/proc/cpuinfo").is_file()
