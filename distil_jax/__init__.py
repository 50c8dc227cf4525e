"""Distil transformer encoders in JAX: `distil` runs a config; the commands are modules beside."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distil_jax.run.from_python import Distilled, distil

__version__ = "0.2.0"
__all__ = ["Distilled", "distil"]


def __getattr__(name: str) -> Any:
    """`distil`, which loads JAX, when it is asked for: `distil_jax.losses` alone needs little."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from distil_jax.run import from_python

    return getattr(from_python, name)
