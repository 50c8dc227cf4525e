"""The programs that a study starts, in what order, and how many at the same time."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from queue import SimpleQueue


class ProgramFailed(Exception):
    """A program ended with another status than 0."""


class Programs:
    """Starts programs with this Python; a line for each, with its seconds, goes into `log`.

    What the log has as done is not started again, as long as its folder is there.
    """

    def __init__(self, log: Path):
        self.log = log
        lines = log.read_text().splitlines() if log.is_file() else []
        self.done = [line["command"] for line in map(json.loads, lines) if line["status"] == 0]

    def door(self, name: str, *, overrides: dict | None = None, **flags) -> None:
        """One of the package's: `python -m distil_jax.NAME`."""
        self.call("-m", f"distil_jax.{name}", overrides=overrides, **flags)

    def call(self, *program, overrides: dict | None = None, **flags) -> None:
        """Run a program to its end; raises `ProgramFailed` where that is not well."""
        given = [f"--{key.replace('_', '-')}={value}" for key, value in flags.items()]
        given += [f"--config.{key}={value}" for key, value in (overrides or {}).items()]
        command = [sys.executable, *map(str, program), *given]
        folder = flags.get("output") or flags.get("workdir")
        if command[1:] in self.done and folder and Path(folder).is_dir():
            return
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
            raise ProgramFailed(f"status {child.returncode} of {' '.join(command[1:])}")


@dataclass(frozen=True)
class Job:
    """A part of a study.

    Attributes:
      needs: names of the jobs whose results it reads.
      alone: nothing else runs meanwhile, since it uses every core or is timed.
    """

    name: str
    work: Callable[[], None]
    needs: tuple[str, ...] = ()
    alone: bool = False


def run_jobs(jobs: Sequence[Job], lanes: int, after_each: Callable[[], None]) -> list[str]:
    """Run all jobs, the first that can go first, `lanes` at a time; what failed, one line each.

    A job that failed takes those along that need it; all others run. Jobs alone come when nothing
    else can start.
    """
    named = {job.name: job for job in jobs}
    order = list(named)
    sorter = TopologicalSorter({job.name: job.needs for job in jobs})
    sorter.prepare()
    ready: list[str] = []
    running: dict[Future, str] = {}
    failed: dict[str, ProgramFailed] = {}

    def attempt(job: Job) -> None:
        lost = [need for need in job.needs if need in failed]
        if lost:
            raise ProgramFailed(f"needs {', '.join(lost)}")
        job.work()

    def can_start(name: str) -> bool:
        if named[name].alone:
            return not running and all(named[other].alone for other in ready)
        return len(running) < lanes and not any(named[other].alone for other in running.values())

    with _workers(lanes) as shared, ThreadPoolExecutor(1) as whole:
        while sorter.is_active():
            ready = sorted([*ready, *sorter.get_ready()], key=order.index)
            while name := next(filter(can_start, ready), None):
                ready.remove(name)
                pool = whole if named[name].alone else shared
                running[pool.submit(attempt, named[name])] = name
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                name = running.pop(future)
                try:
                    future.result()
                except ProgramFailed as error:
                    failed[name] = error
                sorter.done(name)
                after_each()
    return [f"{name}: {error}" for name, error in failed.items()]


def _workers(count: int) -> ThreadPoolExecutor:
    """Threads that share the processor; the programs they start inherit a thread's share."""
    if not hasattr(os, "sched_setaffinity"):
        return ThreadPoolExecutor(count)
    cores, shares = sorted(os.sched_getaffinity(0)), SimpleQueue()
    for number in range(count):
        shares.put(cores[number::count] or cores)
    return ThreadPoolExecutor(count, initializer=lambda: os.sched_setaffinity(0, shares.get()))
