"""Products of the layers, forward and backward, as each kind of processor is fast at them."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, DTypeLike, Float


def product(
    spec: str,
    left: Float[Array, "*left"],
    right: Float[Array, "*right"],
    dtype: DTypeLike,
) -> Float[Array, "*product"]:
    """`jnp.einsum(spec, left, right)` of two arrays of one dtype, in `dtype`.

    `spec` is written out ("ab,bc->ac": no ellipsis, every letter twice). Of bfloat16 arrays the
    gradients are products of bfloat16, too: what comes in is rounded before it is multiplied, as
    in the attention kernels; JAX would multiply float32 with bfloat16 where the product is
    float32. And on a CPU every product of them is asked for in float32 and then rounded, which is
    what its instruction gives: XLA's own product with a bfloat16 result takes twice the time
    there, and more than one of float32 (AVX512_BF16 and AMX; docs/performance.md).
    """
    if left.dtype == right.dtype == jnp.bfloat16:
        return _rounded(spec, left, right, jnp.dtype(dtype))
    return jnp.einsum(spec, left, right, preferred_element_type=dtype)


@partial(jax.custom_vjp, nondiff_argnums=(0, 3))
def _rounded(spec: str, left: Array, right: Array, dtype: jnp.dtype) -> Array:
    def wide(left: Array, right: Array) -> Array:
        return _in_float32(spec, left, right).astype(dtype)

    def direct(left: Array, right: Array) -> Array:
        return jnp.einsum(spec, left, right, preferred_element_type=dtype)

    return jax.lax.platform_dependent(left, right, cpu=wide, default=direct)


def _in_float32(spec: str, left: Array, right: Array) -> Array:
    """The product in float32; the left array is transposed where what is summed is not its end.

    XLA folds a transposition of an operand into the product, and its product of bfloat16 takes
    none: it would go back to float32. A summed axis of one is a reshape, which nothing folds.
    """
    inputs, result = spec.split("->")
    first, second = inputs.split(",")
    order = sorted(first, key=lambda letter: letter not in result)
    if order != list(first):
        left = jax.lax.optimization_barrier(left.transpose([first.index(one) for one in order]))
    return jnp.einsum(
        f"{''.join(order)}z,{second}z->{result}",
        left[..., None],
        right[..., None],
        preferred_element_type=jnp.float32,
    )


def _forward(
    spec: str, left: Array, right: Array, dtype: jnp.dtype
) -> tuple[Array, tuple[Array, Array]]:
    return _rounded(spec, left, right, dtype), (left, right)


def _backward(
    spec: str, dtype: jnp.dtype, operands: tuple[Array, Array], slope: Array
) -> tuple[Array, Array]:
    del dtype
    left, right = operands
    inputs, result = spec.split("->")
    first, second = inputs.split(",")
    slope = slope.astype(left.dtype)
    return (
        _rounded(f"{result},{second}->{first}", slope, right, left.dtype),
        _rounded(f"{first},{result}->{second}", left, slope, right.dtype),
    )


_rounded.defvjp(_forward, _backward)
