"""Large arrays in huge pages of memory, on Linux: a training step on a CPU is 8 to 10 % faster."""

import os
import sys

VARIABLE, TUNABLE = "GLIBC_TUNABLES", "glibc.malloc.hugetlb"


def prefer() -> None:
    """Start this program again with glibc's allocator asking for huge pages, unless it does.

    glibc (2.35 and later) reads the setting when a process starts, so there is no later moment;
    other C libraries ignore it. A value the user gave in $GLIBC_TUNABLES stays. Call it first, and
    only from a program's own main: the arguments are this process's.
    """
    given = os.environ.get(VARIABLE, "")
    if not sys.platform.startswith("linux") or TUNABLE in given:
        return
    wanted = f"{TUNABLE}=1"
    os.environ[VARIABLE] = f"{given}:{wanted}" if given else wanted
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
