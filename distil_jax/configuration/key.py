"""How a config key is declared: once, with all that is known of it."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Key:
    """A key of the config; the type of its default is the type of its values.

    Attributes:
      name: dotted, as it is typed behind `--config.`; of an objective's option, its last part.
      default: what it is where nobody sets it.
      doc: what it means, in a line.
      at_least: the lowest value.
      at_most: the highest value.
      above: a bound that the value itself must exceed.
      choices: the values it may have; empty: any.
      free: whether a resumed run may change it: it changes no number, or what it names is compared.
      was: the name it had in earlier versions, which is still understood.
    """

    name: str
    default: Any
    doc: str
    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None
    choices: tuple[str, ...] = ()
    free: bool = False
    was: str = ""
