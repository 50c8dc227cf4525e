"""Running a stack of layers, looped or scanned, and taking the requested intermediates out.

Layers may be of different kinds (attention windows, rotary angles). Each is compiled as what it is:
a compiled loop turns once for each period of the kinds (global, local, local), not for each layer.
"""

from collections.abc import Callable, Sequence
from operator import eq
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from distil_jax.models.block import LayerKind
from distil_jax.models.intermediates import HIDDEN_STATES, Intermediates, Request
from distil_jax.models.stacking import unstack
from distil_jax.models.types import Params

PerLayer = tuple[Any, Any]
"""Each layer's place or key of dropout (None: no dropout) and number (None: no layer needs it)."""
ApplyLayer = Callable[
    [Array, Params, PerLayer, tuple[str, ...], LayerKind], tuple[Array, dict[str, Array]]
]


def looped(
    apply: ApplyLayer,
    hidden: Array,
    layers: Params | tuple[Params, ...],
    own: PerLayer,
    request: Request,
    kinds: Sequence[LayerKind],
) -> Intermediates:
    """One layer after the other, each compiled by itself."""
    taken: dict[str, dict[int, Array]] = {HIDDEN_STATES: {}}
    for index, params in enumerate(unstack({"layers": layers})["layers"]):
        number = index + 1
        mine = jax.tree.map(lambda leaf: leaf[index], own)  # noqa: B023
        hidden, values = apply(hidden, params, mine, request.of_layer(number), kinds[index])
        for name, value in values.items():
            taken.setdefault(name, {})[number] = value
        if number in request.hidden_states:
            taken[HIDDEN_STATES][number] = hidden
    return Intermediates(hidden, **taken)


def scanned(
    apply: ApplyLayer,
    hidden: Array,
    layers: Params,
    own: PerLayer,
    request: Request,
    kinds: Sequence[LayerKind],
) -> Intermediates:
    """The layers as one compiled loop, which carries the requested values; see `_slots`."""
    count = len(kinds)
    wanted = request.by_collection()
    collections = tuple(wanted)
    inner = tuple(sorted(request.hidden_states - {0, count}))
    if inner:
        wanted[HIDDEN_STATES] = inner
    slots = {name: _slots(numbers, count) for name, numbers in wanted.items()}

    def layer(carry: tuple, xs: tuple, kind: LayerKind) -> tuple:
        hidden, taken = carry
        hidden, values = apply(hidden, xs[0], xs[1], collections, kind)
        values = {**values, HIDDEN_STATES: hidden}
        update = jax.lax.dynamic_update_index_in_dim
        return hidden, {n: update(taken[n], values[n], xs[2][n], 0) for n in taken}

    def first(hidden: Array, params: Params, own: PerLayer) -> tuple[Array, dict[str, Array]]:
        return apply(hidden, params, own, collections, kinds[0])

    shapes = _shapes(first, hidden, layers, own) if wanted else {}
    empty = {n: jnp.zeros((slots[n].max() + 1, *shapes[n].shape), shapes[n].dtype) for n in wanted}
    last, taken = _by_periods(layer, (hidden, empty), (layers, own, slots), kinds)
    by_layer = {
        name: {number: taken[name][index] for index, number in enumerate(numbers)}
        for name, numbers in wanted.items()
    }
    return Intermediates(last, **by_layer)


def _by_periods(
    layer: Callable[[tuple, Any, LayerKind], tuple], carry: tuple, xs: Any, kinds: Sequence
) -> tuple:
    """`layer` over the leading axis of `xs`: a loop over whole periods, then the layers behind."""
    count = len(kinds)
    period = next(n for n in range(1, count + 1) if all(map(eq, kinds, kinds[n:])) or n == count)
    looped = count - count % period

    def turn(carry: tuple, part: Any) -> tuple[tuple, None]:
        for place in range(period):
            one = part if period == 1 else jax.tree.map(lambda leaf: leaf[place], part)  # noqa: B023
            carry = layer(carry, one, kinds[place])
        return carry, None

    def periods(leaf: Any) -> Any:
        return leaf[:looped].reshape(looped // period, period, *leaf.shape[1:])

    carry, _ = jax.lax.scan(turn, carry, xs if period == 1 else jax.tree.map(periods, xs))
    for index in range(looped, count):
        one = jax.tree.map(lambda leaf: leaf[index], xs)  # noqa: B023
        carry = layer(carry, one, kinds[index])
    return carry


def _shapes(
    apply: Callable[[Array, Params, PerLayer], tuple[Array, dict[str, Array]]],
    hidden: Array,
    layers: Params,
    own: PerLayer,
) -> dict[str, jax.ShapeDtypeStruct]:
    """The values that one layer returns."""

    def first(hidden: Array, layers: Params, own: PerLayer) -> dict[str, Array]:
        params, mine = jax.tree.map(lambda leaf: leaf[0], (layers, own))
        after, values = apply(hidden, params, mine)
        return {**values, HIDDEN_STATES: after}

    return jax.eval_shape(first, hidden, layers, own)


def _slots(numbers: tuple[int, ...], count: int) -> np.ndarray:
    """Where each of `count` layers writes: the layers `numbers` to 0, 1, ...

    Another layer writes to the slot of the next of them, which does so later. So there are as many
    slots as numbers, one more if the last layer is not among them, and no layer reads one.
    """
    return np.searchsorted(numbers, np.arange(1, count + 1)).astype(np.int32)
