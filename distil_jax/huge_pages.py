"""Memory for large arrays, on Linux: in huge pages, and kept between the steps of a training.

A step on a CPU fills gigabytes of temporary arrays. Taken from the system and given back each time,
in small pages, they cost a tenth of the time of a BERT-base step.
"""

import os
import sys

from distil_jax import environment

TUNABLES = {
    "glibc.malloc.hugetlb": "1",
    "glibc.malloc.mmap_max": "0",
    "glibc.malloc.trim_threshold": "100000000000",
}


def prefer() -> None:
    """Start this program again with glibc's allocator set so, unless that was done or refused.

    glibc (2.35 and later) reads the settings when a process starts, so there is no later moment;
    other C libraries ignore them. Where the user gave any of these in $GLIBC_TUNABLES, all stays.
    Call it first, and only from a program's own main: the arguments are this process's.
    """
    given = environment.GLIBC_TUNABLES.read() or ""
    wanted = tunables(given)
    if wanted == given:
        return
    environment.set_value(environment.GLIBC_TUNABLES.name, wanted)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def tunables(given: str) -> str:
    """What $GLIBC_TUNABLES should be; `given` itself where there is nothing to add."""
    if not sys.platform.startswith("linux") or any(name in given for name in TUNABLES):
        return given
    wanted = [f"{name}={value}" for name, value in TUNABLES.items()]
    return ":".join([given, *wanted] if given else wanted)
