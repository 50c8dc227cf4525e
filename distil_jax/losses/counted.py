"""What a mask leaves out is zero before anything is computed of it."""

import jax.numpy as jnp
from jaxtyping import Array, Shaped

from distil_jax.losses.shapes import check_equal


def counted(
    array: Shaped[Array, "*tokens width"], mask: Shaped[Array, "*tokens"]
) -> Shaped[Array, "*tokens width"]:
    """The array with zeros where `mask` is 0, where a NaN would be one in the gradient, too.

    Raises `ValueError` where the mask does not fit.
    """
    kept = jnp.asarray(mask).astype(bool)
    check_equal({"values": array.shape[:-1], "mask": kept})
    return jnp.where(kept[..., None], array, 0)
