"""What every door shares: parse, run, and turn a user's error into one line and an exit status."""

import argparse
import os
import sys
from collections.abc import Callable
from typing import Never

from distil_jax.errors import EXIT_STATUS, UsageError, UserError


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one line."""

    def error(self, message: str) -> Never:
        raise UsageError(f"{message} (see {self.prog} --help)")


def run(door: Callable[[list[str]], None], arguments: list[str] | None = None) -> Never:
    """Run a door on the command line's arguments and exit with the documented statuses.

    A `UserError` becomes exactly one line on standard error; anything else is a bug and keeps its
    traceback.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    try:
        door(sys.argv[1:] if arguments is None else arguments)
    except UserError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(EXIT_STATUS[type(error)])
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    sys.exit(0)
