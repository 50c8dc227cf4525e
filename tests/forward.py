"""A module's forward pass, compiled: else each operation of each shape is a program of its own."""

from functools import partial
from typing import Any

import jax
from flax import linen as nn


@partial(jax.jit, static_argnames=("module", "method", "request"))
def forward(
    module: nn.Module, params: Any, inputs: Any, method: str | None = None, request: Any = None
) -> Any:
    """`module.apply` with these parameters; one program for all calls with equal shapes.

    `request` is of an encoder's intermediates, with the method `run`.
    """
    asked = {} if request is None else {"request": request}
    return module.apply({"params": params}, inputs, method=method, **asked)
