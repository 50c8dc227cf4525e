"""The programs that a study starts, and what they take."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue


class Programs:
    """Starts programs with this Python; a line for each, with its seconds, goes into `log`."""

    def __init__(self, log: Path):
        self.log = log

    def door(self, name: str, *, overrides: dict | None = None, **flags) -> None:
        """One of the package's: `python -m distil_jax.NAME`."""
        self.call("-m", f"distil_jax.{name}", overrides=overrides, **flags)

    def call(self, *program, overrides: dict | None = None, **flags) -> None:
        """Run a program to its end; where it fails, this one ends with its status."""
        given = [f"--{key.replace('_', '-')}={value}" for key, value in flags.items()]
        given += [f"--config.{key}={value}" for key, value in (overrides or {}).items()]
        command = [sys.executable, *map(str, program), *given]
        print(" ".join(["$ python", *command[1:]]), flush=True)
        started = time.time()
        child = subprocess.Popen(command)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        line = {
            "command": command[1:],
            "seconds": round(time.time() - started, 1),
            "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
            "status": child.returncode,
        }
        with self.log.open("a") as file:
            file.write(json.dumps(line) + "\n")
        if child.returncode:
            sys.exit(child.returncode)


def workers(count: int) -> ThreadPoolExecutor:
    """Threads that share the processor; the programs they start inherit a thread's share."""
    if not hasattr(os, "sched_setaffinity"):
        return ThreadPoolExecutor(count)
    cores, shares = sorted(os.sched_getaffinity(0)), SimpleQueue()
    for number in range(count):
        shares.put(cores[number::count] or cores)
    return ThreadPoolExecutor(count, initializer=lambda: os.sched_setaffinity(0, shares.get()))
