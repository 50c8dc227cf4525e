"""What `prepare` refuses, with the keys of a run's config in place of the command's flags."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from distil_jax.errors import UserError
from distil_jax.storage.workspace import ANOTHER_FOLDER

KEYS = {
    "document": "config.data.document",
    "heldout": "config.data.heldout",
    "column": "config.data.column",
    "length": "config.batch.length",
    "shortest_tokens": "config.data.shortest_tokens",
}
"""What sets in a run what these flags of `prepare` set."""


@contextmanager
def flags_as_keys(key: str) -> Iterator[None]:
    """What is raised inside names keys; `key` says which text of `config.data` it is about."""
    try:
        yield
    except UserError as error:
        raise type(error)(by_keys(str(error), key)) from error


def by_keys(message: str, key: str) -> str:
    """A message with keys for flags."""
    keys = {**KEYS, "input": f"config.data.{key}"}
    message = re.sub(r"--(\w+)", lambda flag: keys.get(flag[1], flag[0]), message)
    return message.replace(ANOTHER_FOLDER, "use those that it was made with, or another --workdir")
