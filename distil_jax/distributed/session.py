"""One of several processes: it joins the others before any device is touched, and leaves them."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import jax

from distil_jax import environment
from distil_jax.configuration.schema import Processes
from distil_jax.distributed.coordination import broadcast_from_primary
from distil_jax.distributed.log_prefix import LogPrefix, prefix_output
from distil_jax.distributed.processes import DistributedConfig
from distil_jax.distributed.supervisor import ADVICE
from distil_jax.errors import UserError
from distil_jax.failure import report

LOST = ("Gloo", "coordination service", "NCCL", "Connection reset", "Connection closed")


@contextmanager
def distributed_session(
    distributed: DistributedConfig | None, config: Processes
) -> Iterator[Callable[[int], None]]:
    """Within this block JAX's devices are those of all processes; yields what to call after a step.

    Without a description there is one process, and nothing happens. Otherwise the program ends here
    if the block raises: leaving in the ordinary way would wait for the others, who may be waiting
    for this one.

    Raises `UserError` if they do not connect.
    """
    if distributed is None:
        yield lambda _: None
        return
    _end_with_parent()
    _join(distributed, config)
    log_prefix = LogPrefix(jax.process_index(), jax.process_count(), _report_to_parent())
    prefix_output(log_prefix, silent=jax.process_index() > 0)
    try:
        yield log_prefix.at
        broadcast_from_primary("finished", lambda: True)
    except BaseException as error:
        status = report(_explained(error))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _join(distributed: DistributedConfig, config: Processes) -> None:
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    try:
        jax.distributed.initialize(
            **distributed.arguments,
            initialization_timeout=config.join_seconds,
            heartbeat_timeout_seconds=config.lost_seconds,
        )
    except (RuntimeError, ValueError) as error:
        where = distributed.arguments.get(
            "coordinator_address", "the coordinator that was detected"
        )
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"the processes did not connect at {where} within {config.join_seconds} s ({reason}); "
            "start all of them, and see that process 0 can be reached there and the port is free"
        ) from error


def _explained(error: BaseException) -> BaseException:
    reason = " ".join(str(error).split())
    if isinstance(error, UserError) or not any(sign in reason for sign in LOST):
        return error
    return UserError(f"another process is gone or cannot be reached ({reason[:200]}); {ADVICE}")


def _report_to_parent() -> Callable[[str], None]:
    descriptor = int(environment.SUPERVISED.read() or -1)

    def report(where: str) -> None:
        if descriptor >= 0:
            os.write(descriptor, f"{where}\n".encode())

    return report


def _end_with_parent() -> None:
    """A run whose parent was killed is killed: nothing would be left to stop it with."""
    if environment.SUPERVISED.read() is None:
        return

    def wait() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()
