"""A module's parameter, looked up where it is given, and initialised where it is not."""

from typing import Any

import numpy as np
from flax import linen as nn
from flax.errors import ScopeParamShapeError


def parameter(
    module: nn.Module, name: str, initializer: nn.initializers.Initializer, shape: tuple[int, ...]
) -> Any:
    """`module.param(name, initializer, shape)`; raises flax's error for a value of another shape.

    Flax traces the initializer in every call to learn its shape, which is more than half of the
    time that tracing a forward pass takes.
    """
    if not module.has_variable("params", name):
        return module.param(name, initializer, shape)
    value = module.get_variable("params", name)
    if np.shape(value) != shape:
        raise ScopeParamShapeError(name, "/".join(module.path), np.shape(value), shape)
    return value
