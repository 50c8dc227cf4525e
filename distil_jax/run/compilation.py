"""Compiled programs are kept on disk, so that a run that is started again compiles nothing anew."""

import hashlib
import platform
from contextlib import suppress
from pathlib import Path

import jax

from distil_jax import environment
from distil_jax.storage.cache import kept_folder

LARGEST_BYTES = 2 << 30


def keep_compiled() -> None:
    """Use JAX's persistent cache in a folder of `storage.cache`, if anything is to be kept.

    $JAX_COMPILATION_CACHE_DIR, which JAX reads itself, comes first. The folder appears with the
    first program; where it cannot be written, programs are compiled each time. Beyond 2 GiB those
    that were not used for the longest time go.
    """
    folder = kept_folder(f"xla-{_processor()}")
    if folder is None or environment.COMPILATION_CACHE.read():
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # Small ones too: a run has a hundred of them, and the second start shall compile none.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
    keep_below(folder, LARGEST_BYTES)


def keep_below(folder: Path, most_bytes: int) -> None:
    """Remove the files of `folder` that were last used the longest ago, until it is small enough.

    JAX's own limit (jax_compilation_cache_max_size) locks the folder at every program, and stops
    caching for good once a killed process has left a program without its time stamp.
    """
    files = []
    with suppress(OSError):  # another process may be clearing up as well
        files = [(path, path.stat()) for path in folder.iterdir()]
    files.sort(key=lambda file: max(file[1].st_atime, file[1].st_mtime))
    total = sum(stat.st_size for _, stat in files)
    for path, stat in files:
        if total <= most_bytes:
            return
        with suppress(OSError):
            path.unlink()
        total -= stat.st_size


def _processor() -> str:
    """Programs for one CPU may not run on another that shares the home folder."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if _has_cpuinfo() else []
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return hashlib.sha256(f"{platform.machine()} {flags}".encode()).hexdigest()[:12]


def _has_cpuinfo() -> bool:
    return Path("/proc/cpuinfo").is_file()
