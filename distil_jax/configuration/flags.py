"""Every key of a run as a flag, for pages of help and for completion; `source` reads the values."""

import argparse

from distil_jax.configuration.declared import declared
from distil_jax.configuration.key import Key


def add_keys(parser: argparse.ArgumentParser) -> None:
    """Add `--config.KEY=VALUE` for each key, with its meaning and its default."""
    group = parser.add_argument_group(
        "keys of the config", "each with its default; a config file sets others"
    )
    for key in declared():
        group.add_argument(
            f"--config.{key.name}",
            choices=key.choices or None,
            metavar=None if key.choices else key.type.__name__.upper(),
            help=f"{key.doc} Default: {_shown(key)}".replace("%", "%%"),
        )


def _shown(key: Key) -> str:
    return '""' if key.default == "" else str(key.default)
