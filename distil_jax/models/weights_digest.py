"""The SHA-256 of a model's weights, by which two folders are known to hold the same."""

import hashlib
from typing import Any

import jax

from distil_jax.models.earlier_names import with_earlier_names


def weights_digest(params: Any) -> str:
    """Of names and numbers; earlier versions wrote the names that they had."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(with_earlier_names(params)):
        digest.update(jax.tree_util.keystr(path).encode())
        digest.update(jax.device_get(leaf).tobytes())
    return digest.hexdigest()
