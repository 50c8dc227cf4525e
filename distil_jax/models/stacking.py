"""The layers' weights as one stack, [layers, ...] each, or as a tuple with a tree for every layer.

A stack is what a compiled loop over the layers takes, and the form of files and checkpoints. A
program without that loop would copy each layer's slice out of it in every step, and the gradient
back into it: 8 % of a training step on a CPU.
"""

from typing import Any

import jax
import jax.numpy as jnp

LAYERS = "layers"


def unstack(tree: Any) -> Any:
    """Any tree with parameters in it, an optimizer's state say, its stacks as tuples of layers."""
    return _mapped(tree, _tuple)


def stack(tree: Any) -> Any:
    """The reverse of `unstack`; stacks stay as they are."""
    return _mapped(tree, _stacked)


def _mapped(tree: Any, change: Any) -> Any:
    def one(node: Any) -> Any:
        return {**node, LAYERS: change(node[LAYERS])} if _has_layers(node) else node

    return jax.tree.map(one, tree, is_leaf=_has_layers)


def _has_layers(node: Any) -> bool:
    return isinstance(node, dict) and LAYERS in node


def _tuple(layers: Any) -> tuple[Any, ...]:
    if isinstance(layers, tuple):
        return layers
    count = len(jax.tree.leaves(layers)[0])
    return tuple(jax.tree.map(lambda leaf, i=index: leaf[i], layers) for index in range(count))


def _stacked(layers: Any) -> Any:
    if not isinstance(layers, tuple):
        return layers
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *layers)
