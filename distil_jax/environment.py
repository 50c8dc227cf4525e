"""The environment variables that this package reads: all of them, and nothing else reads any."""

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Variable:
    """An environment variable and what it means here."""

    name: str
    meaning: str

    def read(self) -> str | None:
        """Its value now; None where it is not set."""
        return os.environ.get(self.name)


CACHE = Variable(
    "DISTIL_JAX_CACHE",
    "folder of the caches (storage.cache), else $XDG_CACHE_HOME/distil_jax; empty: keep none",
)
XDG_CACHE_HOME = Variable("XDG_CACHE_HOME", "the user's folder of caches, else ~/.cache")
COMPILATION_CACHE = Variable(
    "JAX_COMPILATION_CACHE_DIR", "JAX's own folder of compiled programs; ours is not used then"
)
PLATFORMS = Variable("JAX_PLATFORMS", "JAX's platforms, for the error where none has a device")
COORDINATOR = Variable(
    "JAX_COORDINATOR_ADDRESS", "HOST:PORT of process 0, unless config.processes.coordinator is set"
)
PROCESSES = Variable("JAX_NUM_PROCESSES", "how many processes, unless config.processes.count is")
PROCESS = Variable("JAX_PROCESS_ID", "which of them this is, unless config.processes.index is")
SUPERVISED = Variable(
    "DISTIL_JAX_WATCHED", "set by the supervisor: the file descriptor that its child reports to"
)
RAY_ADDRESS = Variable("RAY_ADDRESS", "the Ray cluster of prepare, unless --address is given")
GLIBC_TUNABLES = Variable("GLIBC_TUNABLES", "settings of glibc's allocator (huge_pages)")
PYTHONPATH = Variable("PYTHONPATH", "kept for the child that extracts the documentation")

VARIABLES = (
    CACHE,
    XDG_CACHE_HOME,
    COMPILATION_CACHE,
    PLATFORMS,
    COORDINATOR,
    PROCESSES,
    PROCESS,
    SUPERVISED,
    RAY_ADDRESS,
    GLIBC_TUNABLES,
    PYTHONPATH,
)


def set_default(name: str, value: str) -> None:
    """Set a library's variable for this process, unless the user has."""
    os.environ.setdefault(name, value)


def set_value(name: str, value: str) -> None:
    """Set a variable for this process and those it starts."""
    os.environ[name] = value


def of_child(changes: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process to be started: this one's with changes."""
    return {**os.environ, **changes}
