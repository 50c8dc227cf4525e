"""The activation functions that configurations of the BERT family name."""

from collections.abc import Callable

import jax
from jaxtyping import Array, Float

from distil_jax.errors import UserError


def gelu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """x times the standard normal distribution function at x, exact (Hendrycks and Gimpel 2016)."""
    return jax.nn.gelu(x, approximate=False)


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu": gelu,
    "gelu_new": jax.nn.gelu,
    "gelu_pytorch_tanh": jax.nn.gelu,
    "relu": jax.nn.relu,
    "silu": jax.nn.silu,
    "swish": jax.nn.silu,
    "tanh": jax.numpy.tanh,
}


def activation(name: str) -> Callable[[Array], Array]:
    """The function a configuration names; raises `UserError` for an unknown name."""
    if name not in ACTIVATIONS:
        raise UserError(f"activation {name!r} is not supported; use one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]
