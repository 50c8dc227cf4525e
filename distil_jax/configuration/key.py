"""How a config key is declared: once, with all that is known of it."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from distil_jax.errors import UsageError


@dataclass(frozen=True)
class Key:
    """A key of the config; the type of its default is the type of its values.

    Attributes:
      name: dotted, as it is typed behind `--config.`; of an objective's option, its last part.
      default: its value where nobody sets it.
      doc: what it means, in a sentence or two.
      at_least: the lowest value.
      at_most: the highest value.
      above: a bound that the value itself must exceed.
      choices: the values it may have; empty: any. A table's keys, where a config file may add one.
      free: whether a resumed run may change it: it changes no number, or what it names is compared.
      was: its name in earlier versions, which is still understood.
      absent: its value in a run that was saved before the key existed, if not the default.
    """

    name: str
    default: Any
    doc: str
    at_least: int | float | None = None
    at_most: int | float | None = None
    above: int | float | None = None
    choices: Collection[str] = ()
    free: bool = False
    was: str = ""
    absent: Any = None

    @property
    def type(self) -> type:
        """The type of its values: bool, int, float or str."""
        return type(self.default)

    @property
    def before(self) -> Any:
        """Its value in a run that was saved before the key existed."""
        return self.default if self.absent is None else self.absent


def checked(key: Key, value: Any) -> Any:
    """The value in the key's type; raises `UsageError` with the key, the value and what may be."""
    if key.type is float and type(value) is int:
        value = float(value)
    if type(value) is float and not math.isfinite(value):
        raise UsageError(f"config.{key.name}={value} must be a finite number")
    if type(value) is not key.type:
        raise UsageError(f"config.{key.name}={value!r} must be of type {key.type.__name__}")
    if key.choices and value not in key.choices:
        raise UsageError(f"config.{key.name}={value!r} is none of {', '.join(key.choices)}")
    return _within(key, value)


def _within(key: Key, value: Any) -> Any:
    """The value if it is inside the key's bounds."""
    if key.at_least is not None and value < key.at_least:
        raise UsageError(f"config.{key.name}={value} must be at least {key.at_least}")
    if key.at_most is not None and value > key.at_most:
        raise UsageError(f"config.{key.name}={value} must be at most {key.at_most}")
    if key.above is not None and not value > key.above:
        raise UsageError(f"config.{key.name}={value} must be above {key.above}")
    return value
