"""The libraries of the `edge` extra, which an installation may lack."""

import importlib
from typing import Any

from distil_jax.errors import UserError, to_install


def require(name: str) -> Any:
    """The module of that name; raises `UserError` naming the extra that installs it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise UserError(f"{package} cannot be imported ({error}); {to_install('edge')}") from error
