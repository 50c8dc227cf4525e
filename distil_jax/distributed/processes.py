"""Where the processes of a run connect, and as which this one joins: config and variables, checked.

It imports no JAX: a wrong description is reported before that starts.
"""

from dataclasses import dataclass
from typing import Any

from distil_jax import environment
from distil_jax.configuration.schema import Processes
from distil_jax.environment import Variable
from distil_jax.errors import UsageError

AUTO = "auto"


@dataclass(frozen=True)
class DistributedConfig:
    """How this process joins the others.

    Attributes:
      address: HOST:PORT of the coordinator, or `auto`.
      arguments: what `jax.distributed.initialize` is given; empty where JAX finds all by itself.
    """

    address: str
    arguments: dict[str, Any]


def find_distributed_config(config: Processes) -> DistributedConfig | None:
    """None for a single process: config.processes.coordinator and its variable are empty.

    Raises `UsageError` for an incomplete description of the processes.
    """
    address = config.coordinator or environment.COORDINATOR.read() or ""
    if not address:
        if config.count > 1:
            raise UsageError(
                f"config.processes.count={config.count} but config.processes.coordinator is "
                "empty; set it to HOST:PORT of process 0, or to auto on TPU pods, Slurm and GKE"
            )
        return None
    if address == AUTO:
        return DistributedConfig(address, {})
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise UsageError(f"config.processes.coordinator={address} must be HOST:PORT, or auto")
    processes = config.count or _number(environment.PROCESSES, "config.processes.count")
    process = (
        config.index
        if config.index >= 0
        else _number(environment.PROCESS, "config.processes.index")
    )
    if process >= processes:
        raise UsageError(
            f"config.processes.index={process} of {processes}: they count from 0 to "
            f"{processes - 1}; set config.processes.index or config.processes.count"
        )
    arguments = {"coordinator_address": address, "num_processes": processes, "process_id": process}
    return DistributedConfig(address, arguments)


def _number(variable: Variable, key: str) -> int:
    text = variable.read() or ""
    if not text.isdecimal():
        wrong = f"={text!r} is not a number" if text else " is not set"
        raise UsageError(f"${variable.name}{wrong}; set it or {key}")
    return int(text)
