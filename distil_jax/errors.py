"""The errors a user can fix: each is one line that names the thing, its value and what to do."""

import errno


class UserError(Exception):
    """Something the user gave is wrong; the program ends with exit status 1."""


class UsageError(UserError):
    """The command line is wrong, unknown or ill-typed `config.*` keys included; exit status 2."""


class Unavailable(UserError):
    """A bucket or a cluster refused, which it may not the next time; exit status 1."""


class Diverged(UserError):
    """The loss is no longer finite; exit status 3."""


class Stopped(BaseException):
    """SIGTERM arrived; exit status 143. Like Ctrl-C, it passes through `except Exception`."""


EXIT_STATUS: dict[type[BaseException], int] = {
    UserError: 1,
    UsageError: 2,
    Unavailable: 1,
    Diverged: 3,
    Stopped: 143,
}

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the operating system says of a disk that takes no more."""


def to_install(extra: str) -> str:
    """What to type for one of this package's extras, which setup.cfg lists."""
    return f"in distil_jax's checkout type: pip install -e '.[{extra}]'"
