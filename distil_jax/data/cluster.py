"""Preparing a corpus on an existing Ray cluster: each share of the parts is an actor there.

The share of a lost machine begins again on another one, which finds the parts that were
finished.
"""

import importlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from distil_jax import environment
from distil_jax.data.corpus import File, HubDataset, Source
from distil_jax.data.make_parts import Engine, Job, make_parts
from distil_jax.data.manifest import PREPARED
from distil_jax.data.prepare_progress import PrepareProgress
from distil_jax.data.records import is_saved_dataset
from distil_jax.errors import Unavailable, UserError, to_install
from distil_jax.storage.address import is_url
from distil_jax.storage.folder import open_folder
from distil_jax.storage.workspace import Workspace

CONNECT_SECONDS = 5
RETRIES = 5
SHARED = "inputs and output must be in a bucket, or on a file system that all its machines see"


def engine(address: str = "", *, shares: int = 0) -> Engine:
    """What makes the parts on the cluster of this address, in actors of one CPU each.

    Without an address it is $RAY_ADDRESS, or the cluster that this machine is part of. 0 shares
    are one for each CPU. The engine raises `UserError` if there is no such cluster, or its machines
    do not see the inputs and the output.

    Raises `UserError` if Ray is not installed.
    """
    try:
        ray = importlib.import_module("ray")
    except ImportError as error:
        raise UserError(
            f"--engine=ray needs Ray, which is not installed ({error}): "
            f"{to_install('ray')}, here and on the cluster's machines"
        ) from error
    return partial(_make, ray, address or environment.RAY_ADDRESS.read() or "auto", shares)


def _make(
    ray: Any, address: str, shares: int, job: Job, workspace: Workspace, progress: PrepareProgress
) -> list[str]:
    before = workspace.names()
    job, output = _everywhere(job, workspace.address)
    with _connected(ray, address):
        count = shares or max(1, int(ray.cluster_resources().get("CPU", 1)))
        machines = sum(node["Alive"] for node in ray.nodes())
        progress.say(f"{count} shares on {machines} machines")
        made = _Shares(ray, job, output, count)
        try:
            with progress.bar("preparing", None):
                return made.keys(progress)
        except BaseException:
            made.kill()
            workspace.adopt(before)
            raise


class _Shares:
    """All shares, each made by an actor of its own.

    Not by tasks: Ray's driver crashes where a task is cancelled while it ends (2.60;
    https://github.com/ray-project/ray/pull/54738).
    """

    def __init__(self, ray: Any, job: Job, output: str, count: int) -> None:
        self._ray = ray
        self._actor = ray.remote(num_cpus=1)(_Share)
        self._arguments = (ray.put(job), output, count)
        self._lost = [0] * count
        self._running: dict[Any, tuple[int, Any]] = {}
        for index in range(count):
            self._begin(index)

    def _begin(self, index: int) -> None:
        actor = self._actor.remote()
        self._running[actor.make.remote(*self._arguments, index)] = index, actor

    def keys(self, progress: PrepareProgress) -> list[str]:
        """The keys of all parts, as the shares end; a lost share begins again."""
        keys: list[str] = []
        while self._running:
            (ended,), _ = self._ray.wait(list(self._running))
            index = self._running.pop(ended)[0]  # its actor gives its CPU back
            try:
                share = self._ray.get(ended)
            except self._ray.exceptions.RayTaskError as error:
                raise _explained(error) from error
            except self._ray.exceptions.RayError as error:
                self._note_lost(index, error)
                self._begin(index)
                continue
            keys += share["keys"]
            progress.advance(share["text_bytes"], made=True)
        return keys

    def _note_lost(self, index: int, error: Exception) -> None:
        self._lost[index] += 1
        if self._lost[index] > RETRIES:
            reason = " ".join(str(error).split())[:300]
            raise Unavailable(f"a share was lost more than {RETRIES} times ({reason})") from error

    def kill(self) -> None:
        """End all that run, and wait for their end."""
        for _, actor in self._running.values():
            self._ray.kill(actor)
        if self._running:
            self._ray.wait(list(self._running), num_returns=len(self._running))


class _Share:
    """An actor on whatever machine has a CPU."""

    def make(self, job: Job, output: str, count: int, index: int) -> dict[str, Any]:
        return _share(job, output, index, count)


def _share(job: Job, output: str, shard_index: int, shard_count: int) -> dict[str, Any]:
    """One share of the parts."""
    environment.set_value("RAYON_NUM_THREADS", "1")  # of the tokenizer: the actor was given one CPU
    workspace = Workspace(open_folder(output), PREPARED)
    _check_seen(job, workspace)
    keys = make_parts(job, workspace, _Silent(), shard_index=shard_index, shard_count=shard_count)
    return {"keys": keys, "text_bytes": sum(workspace.record(key)["text_bytes"] for key in keys)}


def _everywhere(job: Job, output: str) -> tuple[Job, str]:
    """The same with whole paths: an actor runs in a folder of its own."""
    sources = tuple(map(_whole, job.sources))
    return replace(job, sources=sources), output if is_url(output) else os.path.abspath(output)


def _whole(source: Source) -> Source:
    if type(source) is File:
        return replace(source, path=source.path.absolute())
    if isinstance(source, HubDataset) and is_saved_dataset(Path(source.name)):
        return replace(source, name=os.path.abspath(source.name))
    return source


class _Silent(PrepareProgress):
    def say(self, line: str) -> None: ...


def _check_seen(job: Job, workspace: Workspace) -> None:
    """Raise a `UserError` unless this machine has the same inputs and output before it."""
    host = socket.gethostname()
    if not workspace.holds(job.settings):
        raise UserError(f"{host} of the cluster does not see {workspace.address}; {SHARED}")
    for source, expected in zip(job.sources, job.settings["inputs"], strict=True):
        try:
            identity = source.identity()
        except OSError as error:
            raise UserError(
                f"{host} of the cluster does not see {source.name} ({error.strerror}); {SHARED}"
            ) from error
        if {**identity, "name": expected["name"]} != expected:
            raise UserError(f"{source.name} is another on {host} of the cluster; {SHARED}")


@contextmanager
def _connected(ray: Any, address: str) -> Iterator[None]:
    if ray.is_initialized():
        yield
        return
    _check_answers(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level="CRITICAL")
    except Exception as error:  # ConnectionError, RuntimeError, of gRPC, ...
        reason = " ".join(str(error).split())[:300]
        raise _no_cluster(address, reason) from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        try:
            socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
        except OSError as error:
            raise _no_cluster(address, error.strerror or str(error)) from error


def _no_cluster(address: str, reason: str) -> UserError:
    return UserError(
        f"no Ray cluster answers at {address} ({reason}); start one (ray start --head), or name "
        "one: --address=HOST:6379 on a machine of it, ray://HOST:10001 from elsewhere"
    )


def _explained(error: Any) -> BaseException:
    cause = error.cause
    if isinstance(cause, UserError):
        return type(cause)(str(cause))
    reason = " ".join(str(cause if cause is not None else error).split())[-300:]
    if "No module named" in reason:
        return UserError(
            f"the cluster's machines lack what a share needs ({reason}); on each of them "
            f"{to_install('ray')}"
        )
    return Unavailable(f"a share failed: {reason}") if isinstance(cause, OSError) else error
