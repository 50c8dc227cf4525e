"""A mean that has not been divided yet."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from distil_jax.losses.shapes import check_equal


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class WeightedSum:
    """A sum (float32 scalar) and how many terms it has (int32 scalar).

    Two means add to the mean of both their terms, so batches, padding, devices, micro-batches and
    evaluation compose exactly; a mean of means does not.
    """

    # Not checked for shapes: transformations also build it from tangents, specs and host arrays.
    total: Any
    count: Any

    @classmethod
    def of(cls, values: Shaped[Array, "*tokens"], mask: Shaped[Array, "*tokens"]) -> "WeightedSum":
        """The mean of `values` where `mask` is not 0; what is masked out may be NaN.

        Raises `ValueError` where the two have not the same shape.
        """
        kept = jnp.asarray(mask).astype(bool)
        check_equal({"values": values, "mask": kept})
        return cls(
            jnp.sum(jnp.where(kept, values, 0), dtype=jnp.float32),
            jnp.sum(kept, dtype=jnp.int32),
        )

    @classmethod
    def zero(cls) -> "WeightedSum":
        """Of no terms."""
        return cls(jnp.zeros((), jnp.float32), jnp.zeros((), jnp.int32))

    def value(self) -> Float[Array, ""]:
        """total / count; 0 where nothing was counted."""
        return self.total / jnp.maximum(self.count, 1).astype(jnp.float32)

    def __add__(self, other: "WeightedSum") -> "WeightedSum":
        return WeightedSum(self.total + other.total, self.count + other.count)
