"""The programs that a study starts, in what order, and how many at the same time."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from queue import SimpleQueue

from distil_jax.errors import UserError

MAKES = ("--output=", "--workdir=")
"""The flags that name what a program makes."""


class ProgramFailed(Exception):
    """A program ended with another status than 0, or was not started."""


class Programs:
    """Starts programs with this Python; lines for each, with its seconds, go into `log`.

    A program whose last line in the log says status 0 is not started again, as long as its folder
    is there and no program that made what it reads ran after it. Where several run at a time, what
    each says goes into a file beside its folder.
    """

    def __init__(self, log: Path, *, several: bool = False):
        self.log, self.several = log, several
        lines = log.read_text().splitlines() if log.is_file() else []
        self._done: set[tuple[str, ...]] = set()
        for line in map(json.loads, lines):
            self._learn(tuple(line["command"]), line["status"])
        self._running: set[subprocess.Popen] = set()
        self.stopped = False
        self._lock = threading.Lock()

    def command(self, name: str, *, overrides: dict | None = None, **flags) -> None:
        """One of the package's: `python -m distil_jax.NAME`."""
        self.call("-m", f"distil_jax.{name}", overrides=overrides, **flags)

    def call(self, *program, overrides: dict | None = None, **flags) -> None:
        """Run a program to its end; raises `ProgramFailed` where that is not well.

        A flag with a list of values is given once for each.
        """
        given = [
            f"--{key.replace('_', '-')}={value}"
            for key, values in flags.items()
            for value in (values if isinstance(values, list) else [values])
        ]
        given += [f"--config.{key}={value}" for key, value in (overrides or {}).items()]
        command = (*map(str, program), *given)
        folder = Path(flags.get("output") or flags["workdir"])
        with self._lock:
            if command in self._done and folder.is_dir():
                print("done before: python", *command, flush=True)
                return
        status = self._run(command, folder)
        if status:
            where = f", which says why in {_log_of(folder)}" if self.several else ""
            raise ProgramFailed(f"status {status} of {' '.join(['python', *command])}{where}")

    def stop(self) -> None:
        """End all programs as SIGTERM does, and start no other."""
        with self._lock:
            self.stopped = True
            for child in self._running:
                child.terminate()

    def _run(self, command: tuple[str, ...], folder: Path) -> int:
        started = time.time()
        with contextlib.ExitStack() as stack:
            output = None
            if self.several:
                folder.parent.mkdir(parents=True, exist_ok=True)
                output = stack.enter_context(_log_of(folder).open("a"))
            with self._lock:
                if self.stopped:
                    raise ProgramFailed("stopped")
                print("$ python", *command, flush=True)
                self._note({"command": command, "started": started, "status": None})
                child = subprocess.Popen(
                    [sys.executable, *command],
                    stdout=output,
                    stderr=output and subprocess.STDOUT,
                    # Ctrl+C in a terminal is for this program, which then asks them to save.
                    start_new_session=True,
                )
                self._running.add(child)
            _, status, usage = os.wait4(child.pid, 0)
        with self._lock:
            child.returncode = os.waitstatus_to_exitcode(status)
            self._running.discard(child)
            self._note(
                {
                    "command": command,
                    "started": started,
                    "seconds": round(time.time() - started, 1),
                    "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
                    "status": child.returncode,
                }
            )
        return child.returncode

    def _learn(self, command: tuple[str, ...], status: int | None) -> None:
        """What is done, after a line of the log; a status of None is a program's start."""
        if status is None:
            # What was made of its folder before is not made of what will stand there.
            written = {arg.partition("=")[2] for arg in command if arg.startswith(MAKES)}
            self._done = {
                done for done in self._done if not any(_names(arg, written) for arg in done)
            }
        elif status == 0:
            self._done.add(command)

    def _note(self, line: dict) -> None:
        self._learn(line["command"], line["status"])
        with self.log.open("a") as file:
            file.write(json.dumps(line) + "\n")


def _names(arg: str, folders: set[str]) -> bool:
    """Whether a flag's value is one of the folders, or in one."""
    value = Path(arg.partition("=")[2])
    return any(folder in map(str, (value, *value.parents)) for folder in folders)


def _log_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.log")


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


def run_to_end(
    programs: Programs, jobs: Sequence[Job], after_each: Callable[[], None], *, lanes: int = 1
) -> None:
    """Run all jobs; signals end the programs. Raises `UserError` where something was not done."""
    with _stopped_by_signals(programs):
        failed = run_jobs(jobs, lanes, after_each, lambda: programs.stopped)
    for line in failed:
        print(f"not done: {line}", file=sys.stderr)
    if failed:
        raise UserError(
            f"{len(failed)} of {len(jobs)} jobs were not done (above); the same command tries again"
        )


@contextlib.contextmanager
def _stopped_by_signals(programs: Programs) -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP end the programs, which save, and start no other."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup's
        numbers.append(signal.SIGHUP)
    before = [signal.signal(number, lambda *_: programs.stop()) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def run_jobs(
    jobs: Sequence[Job],
    lanes: int,
    after_each: Callable[[], None],
    stopped: Callable[[], bool] = lambda: False,
) -> list[str]:
    """Run all jobs, the first that can go first, `lanes` at a time; what failed, one line each.

    A job that failed takes those along that need it; all others run. Jobs alone come when nothing
    else can start, and none once `stopped` says so.
    """
    named = {job.name: job for job in jobs}
    order = list(named)
    sorter = TopologicalSorter({job.name: job.needs for job in jobs})
    sorter.prepare()
    ready: list[str] = []
    running: dict[Future, str] = {}
    failed: dict[str, str] = {}

    def attempt(job: Job) -> None:
        if stopped():
            raise ProgramFailed("stopped")
        lost = [need for need in job.needs if need in failed]
        if lost:
            raise ProgramFailed(f"needs {', '.join(lost)}")
        job.work()

    def can_start(name: str) -> bool:
        if named[name].alone:
            return not running and all(named[other].alone for other in ready)
        return len(running) < lanes

    with _workers(lanes) as shared, ThreadPoolExecutor(1) as whole:
        while sorter.is_active():
            ready = sorted([*ready, *sorter.get_ready()], key=order.index)
            while name := next(filter(can_start, ready), None):
                ready.remove(name)
                pool = whole if named[name].alone else shared
                running[pool.submit(attempt, named[name])] = name
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                name = running.pop(future)
                error = future.exception()
                if isinstance(error, ProgramFailed | UserError):
                    failed[name] = str(error)
                elif error is not None:
                    traceback.print_exception(error)
                    failed[name] = f"{type(error).__name__}: {error}"
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
