"""Running a stack of layers, looped or scanned, and taking the requested intermediates out."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from distil_jax.models.intermediates import HIDDEN_STATES, Intermediates, Request
from distil_jax.models.stacking import unstack
from distil_jax.models.types import Params

PerLayer = tuple[Array | None, Any]
"""Each layer's dropout key (None: no dropout) and number (None: all layers are alike)."""
ApplyLayer = Callable[[Array, Params, PerLayer, tuple[str, ...]], tuple[Array, dict[str, Array]]]


def looped(
    apply: ApplyLayer,
    hidden: Array,
    layers: Params | tuple[Params, ...],
    own: PerLayer,
    request: Request,
) -> Intermediates:
    """One layer after the other, each compiled by itself."""
    taken: dict[str, dict[int, Array]] = {HIDDEN_STATES: {}}
    for index, params in enumerate(unstack({"layers": layers})["layers"]):
        number = index + 1
        mine = jax.tree.map(lambda leaf: leaf[index], own)  # noqa: B023
        hidden, values = apply(hidden, params, mine, request.of_layer(number))
        for name, value in values.items():
            taken.setdefault(name, {})[number] = value
        if number in request.hidden_states:
            taken[HIDDEN_STATES][number] = hidden
    return Intermediates(hidden, **taken)


def scanned(
    apply: ApplyLayer, hidden: Array, layers: Params, own: PerLayer, request: Request
) -> Intermediates:
    """The layers as one compiled loop, which carries the requested values; see `_slots`."""
    count = len(jax.tree.leaves(layers)[0])
    wanted = request.by_collection()
    collections = tuple(wanted)
    inner = tuple(sorted(request.hidden_states - {0, count}))
    if inner:
        wanted[HIDDEN_STATES] = inner
    slots = {name: _slots(numbers, count) for name, numbers in wanted.items()}

    def step(carry: tuple, xs: tuple) -> tuple[tuple, None]:
        hidden, taken = carry
        hidden, values = apply(hidden, xs[0], xs[1], collections)
        values = {**values, HIDDEN_STATES: hidden}
        update = jax.lax.dynamic_update_index_in_dim
        return (hidden, {n: update(taken[n], values[n], xs[2][n], 0) for n in taken}), None

    shapes = _shapes(apply, hidden, layers, own, collections) if wanted else {}
    empty = {n: jnp.zeros((slots[n].max() + 1, *shapes[n].shape), shapes[n].dtype) for n in wanted}
    (last, taken), _ = jax.lax.scan(step, (hidden, empty), (layers, own, slots))
    by_layer = {
        name: {number: taken[name][index] for index, number in enumerate(numbers)}
        for name, numbers in wanted.items()
    }
    return Intermediates(last, **by_layer)


def _shapes(
    apply: ApplyLayer,
    hidden: Array,
    layers: Params,
    own: PerLayer,
    collections: tuple[str, ...],
) -> dict[str, jax.ShapeDtypeStruct]:
    """The values that one layer returns."""

    def first(hidden: Array, layers: Params, own: PerLayer) -> dict[str, Array]:
        params, mine = jax.tree.map(lambda leaf: leaf[0], (layers, own))
        after, values = apply(hidden, params, mine, collections)
        return {**values, HIDDEN_STATES: after}

    return jax.eval_shape(first, hidden, layers, own)


def _slots(numbers: tuple[int, ...], count: int) -> np.ndarray:
    """Where each of `count` layers writes: the layers `numbers` to 0, 1, ...

    Another layer writes to the slot of the next of them, which does so later. So there are as many
    slots as numbers, one more if the last layer is not among them, and no layer reads one.
    """
    return np.searchsorted(numbers, np.arange(1, count + 1)).astype(np.int32)
