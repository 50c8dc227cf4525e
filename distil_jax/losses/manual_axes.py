"""Types inside `jax.shard_map`, which say along which axes of devices an array differs.

A scan's first carry must be of the type that its body returns, and a gradient of that of what it
belongs to. Elsewhere, and with `check_vma=False`, nothing here changes a program.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def zero_of(*trees: Any) -> Float[Array, ""]:
    """0, differing along every axis along which one of these arrays does."""
    return sum(map(_zero, jax.tree.leaves(trees)), start=jnp.zeros((), jnp.float32))


def differing(tree: Any, zero: Float[Array, ""]) -> Any:
    """The same arrays, of a type that differs along `zero`'s axes; their gradients are summed."""
    return jax.tree.map(
        lambda x: x if jax.typeof(_zero(x)) == jax.typeof(zero) else x + zero.astype(x.dtype), tree
    )


def check_whole(tree: Any) -> None:
    """Raise `ValueError` for an array that is divided along explicit axes of a mesh.

    What cuts tokens into chunks would have to say how each part is to be divided.
    """
    for array in jax.tree.leaves(tree):
        along = jax.typeof(array).sharding.spec
        if any(axis is not None for axis in along):
            raise ValueError(
                f"an array {list(array.shape)} is divided along {along} of a mesh of explicit axes;"
                " call this loss in jax.shard_map, and sum the totals there"
            )


def _zero(array: Any) -> Array:
    return jnp.zeros_like(array, shape=(), dtype=jnp.float32)
