"""A config that an earlier version saved, as today's version would have saved it."""

from collections.abc import Mapping
from typing import Any

from distil_jax.configuration.declared import declared, with_current_names
from distil_jax.configuration.tree import flat, nested


def of_today(run: Mapping[str, Any], like: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The config under today's names, with the keys that did not exist then.

    Those have the value that means what was done without them. Of a config that is not whole, only
    the keys that one `like` it has are added.
    """
    leaves = with_current_names(flat(run))
    wanted = {key.name for key in declared()} if like is None else flat(like).keys()
    added = {
        key.name: key.before for key in declared() if key.name in wanted and key.name not in leaves
    }
    return nested({**leaves, **added})
