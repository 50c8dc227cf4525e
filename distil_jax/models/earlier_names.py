"""Names of parameters in checkpoints of earlier versions."""

from collections.abc import Mapping
from typing import Any

import jax

from distil_jax.models.stacking import LAYERS

LAYER_PARAMS = {"inner": "mlp_in", "norm": "mlp_norm", "outer": "mlp_out"}
"""What each is called today; both orders are the same, and with them the sums over all leaves."""


def with_earlier_names(tree: Any) -> Any:
    """Any tree with stacked parameters, a training state say, as earlier versions named it."""
    return _renamed(tree, {today: earlier for earlier, today in LAYER_PARAMS.items()})


def with_current_names(tree: Any) -> Any:
    """The reverse of `with_earlier_names`."""
    return _renamed(tree, LAYER_PARAMS)


def _renamed(tree: Any, names: Mapping[str, str]) -> Any:
    def rename(node: Any) -> Any:
        if not _has_layers(node):
            return node
        layers = {names.get(name, name): value for name, value in node[LAYERS].items()}
        return {**node, LAYERS: layers}

    return jax.tree.map(rename, tree, is_leaf=_has_layers)


def _has_layers(node: Any) -> bool:
    return isinstance(node, dict) and isinstance(node.get(LAYERS), dict)
