"""What a checkpoint keeps of a state: its leaves by name, shape and dtype."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

State = Any  # any pytree of arrays


def description(
    step: int, state: State, config: dict[str, Any], metric: float | None
) -> dict[str, Any]:
    """What about.json says of a step; a metric that is not finite rates nothing."""
    rated = metric is not None and math.isfinite(metric)
    return {
        "step": step,
        "metric": metric if rated else None,
        "config": config,
        "leaves": leaves_of(state),
    }


def leaves_of(state: State) -> dict[str, list[int | str]]:
    """Name of each array, with its shape and dtype: what a restore must find again."""
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): [*np.shape(leaf), str(leaf.dtype)]
        for path, leaf in jax.tree_util.tree_leaves_with_path(state)
    }


def nested(leaves: dict[str, list[Any]]) -> dict[str, Any]:
    """The tree of saved leaves, as shapes, from their names."""
    tree: dict[str, Any] = {}
    for name, (*shape, dtype) in leaves.items():
        *parents, last = name.split("/")
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[last] = jax.ShapeDtypeStruct(tuple(shape), jnp.dtype(dtype))
    return tree


def unshared(state: State) -> State:
    """The state, copied where the host reads it in place (CPU).

    Orbax's view of an array there would hold up the next step, which is given it to overwrite, for
    as long as the writing takes; elsewhere Orbax has its own copy before its `save` returns.
    """
    return jax.tree.map(lambda leaf: jnp.copy(leaf) if _on_cpu(leaf) else leaf, state)


def _on_cpu(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and next(iter(leaf.devices())).platform == "cpu"


def abstract_leaf(leaf: Any) -> jax.ShapeDtypeStruct:
    """An array\'s shape, dtype and sharding; the first device\'s where it has none."""
    sharding = getattr(leaf, "sharding", None)
    if sharding is None:
        sharding = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    return jax.ShapeDtypeStruct(np.shape(leaf), leaf.dtype, sharding=sharding)
