"""Where this machine keeps what can be made again: compiled programs, plans, copies of buckets.

In $DISTIL_JAX_CACHE, else $XDG_CACHE_HOME/distil_jax, else ~/.cache/distil_jax. Set but empty it
means that nothing is kept: programs and plans are made anew each time, and what has to lie on a
disk while it is used (copies of a bucket's files, the browser's libraries) is in a temporary folder
that is removed when the process ends.
"""

import functools
import os
import tempfile
from pathlib import Path

from distil_jax import environment


def kept_folder(kind: str) -> Path | None:
    """The folder for one kind of things, which need not exist; None: they are not to be kept."""
    root = environment.CACHE.read()
    if root is None:
        home = environment.XDG_CACHE_HOME.read() or "~/.cache"
        root = os.path.join(home, "distil_jax")
    return Path(root).expanduser() / kind if root else None


def cache_folder(kind: str) -> Path:
    """The same for what has to be on a disk: of this process alone where nothing is to be kept."""
    return kept_folder(kind) or Path(_temporary().name) / kind


@functools.cache
def _temporary() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="distil_jax-", ignore_cleanup_errors=True)
