"""What ended a program: one line on standard error, and its exit status."""

import os
import sys
import traceback

from distil_jax import environment
from distil_jax.errors import EXIT_STATUS, FULL, Stopped, UserError, to_install

NO_BACKEND = "Unable to initialize backend"
"""How JAX begins to say that a platform has no device here."""


def report(error: BaseException) -> int:
    """Say on standard error what ended the program, and return its exit status."""
    if isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    if isinstance(error, UserError | Stopped):
        sys.stdout.flush()
        message, status = " ".join(str(error).split()), EXIT_STATUS[type(error)]
    elif isinstance(error, KeyboardInterrupt):
        message, status = str(error) or "interrupted", 130
    elif isinstance(error, OSError) and (error.filename is not None or error.errno in FULL):
        message, status = (
            f"{error.filename or 'the disk'}: {error.strerror}",
            EXIT_STATUS[UserError],
        )
    elif isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
        message, status = _no_memory(error), EXIT_STATUS[UserError]
    elif _found_no_device(error):
        message, status = _no_device(error), EXIT_STATUS[UserError]
    else:
        traceback.print_exception(error)
        return 1
    print(f"error: {message}", file=sys.stderr)
    return status


def _found_no_device(error: BaseException) -> bool:
    """Whether JAX gave up looking for a device; it has no exception of its own for that.

    Where it passes over all platforms that it was allowed, such as cuda without a visible GPU, it
    fails an assertion without a word, and does so again when platforms again.
    """
    if isinstance(error, RuntimeError):
        return str(error).startswith(NO_BACKEND)
    if not isinstance(error, AssertionError) or str(error) or "jax" not in sys.modules:
        return False
    try:
        sys.modules["jax"].devices()
    except AssertionError as again:
        return not str(again)
    except RuntimeError:
        return False
    return False


def _no_memory(error: BaseException) -> str:
    reason = " ".join(str(error).split())[:200]
    return (
        f"memory is not enough{f' ({reason})' if reason else ''}; compute fewer rows at one time "
        "(config.batch.micro_size, or --micro), see parallel.remat and loss.chunk in "
        "configs/base.py, and try settings with distil_jax.plan"
    )


def _no_device(error: BaseException) -> str:
    platforms = environment.PLATFORMS.read()
    where = f" for JAX_PLATFORMS={platforms}" if platforms else ""
    reason = f" ({' '.join(str(error).split())})" if str(error) else ""
    return (
        f"JAX finds no device{where}{reason}; GPUs need a driver that shows them and the extra "
        f"cuda, TPUs the extra tpu: {to_install('cuda')}; or set JAX_PLATFORMS=cpu"
    )
