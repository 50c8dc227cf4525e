"""Real processes of one run, started as users start them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import portpicker
import pytest

from tests import code_generation

ROOT = Path(__file__).parents[2]


class Cluster:
    """`launch/local_cluster.sh`, under way."""

    def __init__(self, processes: int, arguments: list[str], *, devices: int = 1) -> None:
        environment = os.environ | {
            "DISTIL_JAX_PYTHON": sys.executable,
            "DEVICES": str(devices),
            "PYTHONUNBUFFERED": "1",
            "XLA_FLAGS": code_generation.FLAGS,
        }
        self.process = subprocess.Popen(
            [ROOT / "launch" / "local_cluster.sh", str(processes), *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.seen: list[str] = []

    def until(self, sign: str) -> None:
        """Read process 0's output up to a line that holds `sign`."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.seen.append(line)
            if sign in line:
                return
        pytest.fail(f"no {sign!r} in {self.seen}: {self.process.communicate()}")

    def parent(self, index: int) -> int:
        """The number, in this system, of process `index` of the run."""
        return next(
            child
            for child in _children(self.process.pid)
            if f"JAX_PROCESS_ID={index}\0" in Path(f"/proc/{child}/environ").read_text()
        )

    def worker(self, index: int) -> int:
        """The one that its parent watches."""
        (child,) = _children(self.parent(index))
        return child

    def end(self) -> tuple[int, str, str]:
        """Exit status, all of the output, and the errors."""
        out, err = self.process.communicate(timeout=600)
        return self.process.returncode, "".join(self.seen) + out, err


def _children(parent: int) -> list[int]:
    folder = Path(f"/proc/{parent}/task/{parent}/children")
    return [int(number) for number in folder.read_text().split()]


@pytest.fixture
def cluster() -> Iterator[Callable[..., Cluster]]:
    started: list[Cluster] = []

    def start(processes: int, arguments: list[str], *, devices: int = 1) -> Cluster:
        started.append(Cluster(processes, arguments, devices=devices))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            os.killpg(each.process.pid, signal.SIGKILL)
            time.sleep(0.1)
        each.process.communicate()


@pytest.fixture
def free_port() -> int:
    return portpicker.pick_unused_port()
