"""Parameters that training leaves as they are."""

from collections.abc import Sequence
from typing import Any

import jax

from distil_jax.models.types import Params

FROZEN: dict[str, tuple[str, ...] | None] = {
    "none": None,
    "positions": ("encoder", "embeddings", "positions"),
    "embeddings": ("encoder", "embeddings"),
}
"""config.student.freeze to where in the parameters it holds."""


def is_frozen(freeze: str, path: Sequence[Any]) -> bool:
    """Whether the leaf at a tree path stays as it is."""
    prefix = FROZEN[freeze]
    if prefix is None:
        return False
    found = jax.tree_util.keystr(tuple(path[: len(prefix)]), simple=True, separator="/")
    return found == "/".join(prefix)


def stop_frozen_gradients(freeze: str, params: Params) -> Params:
    """The parameters, without a gradient where they are frozen."""
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: jax.lax.stop_gradient(leaf) if is_frozen(freeze, path) else leaf, params
    )
