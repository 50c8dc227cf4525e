"""A run of several processes is watched by a small parent, which has the last word.

JAX ends a process whose peer is gone with `abort()` from a thread of C++: no exception, a page of
stack trace. The parent turns that into one line and exit status 1, and passes everything else on.
It imports no JAX.
"""

import os
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from types import FrameType
from typing import IO, Never

from distil_jax import environment
from distil_jax.distributed.log_prefix import prefix
from distil_jax.errors import EXIT_STATUS, Stopped, UserError

PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
OURS = re.compile(r"\[\d\d:\d\d:\d\d process |error: ")
TRACEBACK = "Traceback (most recent"
REMEMBERED_LINES = 100
NOT_JOINED = "process ?"
START_ALL = "start all of them, and see that process 0 can be reached there"
ADVICE = "start all processes again: the run resumes from its last checkpoint"


def is_child() -> bool:
    """Whether this process is already watched."""
    return environment.SUPERVISED.read() is not None


def run_supervised(module: str, arguments: Sequence[str], *, address: str) -> Never:
    """Run this program again as the child that works; exits with its status.

    Where these are not this program's own arguments, `python -m module arguments`. `address` is
    where the processes were to connect, for the error if they do not.
    """
    early: list[int] = []
    for number in PASSED_ON:
        signal.signal(number, lambda number, _: early.append(number))
    reader, writer = os.pipe()
    with subprocess.Popen(
        _command(module, arguments),
        stdin=subprocess.PIPE,  # it closes when this process ends, however that comes
        stderr=subprocess.PIPE,
        pass_fds=(writer,),
        env=environment.of_child({environment.SUPERVISED.name: str(writer)}),
    ) as child:
        os.close(writer)

        def pass_on(number: int, _: FrameType | None) -> None:
            child.send_signal(number)

        for number in PASSED_ON:
            signal.signal(number, pass_on)
        for early_number in early:
            child.send_signal(early_number)
        where: deque[str] = deque([NOT_JOINED], maxlen=1)
        listener = threading.Thread(target=_listen, args=(reader, where), daemon=True)
        listener.start()
        assert child.stderr is not None
        native = _relay(child.stderr)
        status = child.wait()
        listener.join(1)
    sys.stdout.flush()
    if status < 0:
        connected = where[0] != NOT_JOINED
        line = " ".join(_last_words(-status, native, connected=connected, address=address).split())
        print(f"{prefix(where[0])}error: {line}", file=sys.stderr, flush=True)
        # Stopped before it could hear of it: as good as after saving, nothing is lost.
        sys.exit(EXIT_STATUS[Stopped if status == -signal.SIGTERM else UserError])
    sys.exit(status)


def _command(module: str, arguments: Sequence[str]) -> list[str]:
    """A script that adds to the package and calls it is run again with what it adds."""
    if arguments and sys.argv[-len(arguments) :] == list(arguments):
        return [sys.executable, *sys.orig_argv[1:]]
    options = (f"-W{option}" for option in sys.warnoptions)
    return [sys.executable, *options, "-m", module, *arguments]


def _listen(descriptor: int, where: deque[str]) -> None:
    with os.fdopen(descriptor) as lines:
        where.extend(line.strip() for line in lines)


def _relay(stream: IO[bytes]) -> list[str]:
    """Pass the lines on as they come; returns those of the libraries, which are kept back."""
    native: deque[str] = deque(maxlen=REMEMBERED_LINES)
    unwinding = False
    for line in stream:
        text = line.decode(errors="replace")
        unwinding = unwinding or text.startswith(TRACEBACK)
        if unwinding or OURS.match(text):
            sys.stderr.write(text)
            sys.stderr.flush()
        else:
            native.append(text)
    return list(native)


def _last_words(number: int, native: Sequence[str], *, connected: bool, address: str) -> str:
    said = "".join(native)
    if number == signal.SIGABRT and not connected:
        return f"this process did not connect to the others ({address}); {START_ALL}"
    if number == signal.SIGABRT and "coordination service" in said:
        return f"{_who(said)}; its own last line says why; {ADVICE}"
    if number == signal.SIGTERM:
        return "stopped by SIGTERM before its first step; rerun the same command to resume"
    if number == signal.SIGKILL:
        return f"killed (SIGKILL), by somebody or for lack of memory; {ADVICE}"
    last = next((line for line in reversed(native) if line.startswith("F")), "")
    return f"ended by {signal.Signals(number).name}; {ADVICE}; {last}"


def _who(said: str) -> str:
    """The process that the coordination service names, or the one it runs in."""
    silent = re.search(r"stopped sending heartbeats\):\s*([\d\s,]+)", said)
    if silent:
        return f"process {', '.join(silent[1].replace(',', ' ').split())} is gone or silent"
    if "UNAVAILABLE" in said or "Socket closed" in said:
        return "process 0 is gone or cannot be reached"
    return "another process is gone or cannot be reached"
