"""kernel_flops: matmuls in kernels, as often as they run."""

import jax
import jax.numpy as jnp
import pytest
from jax.experimental import pallas as pl

from distil_jax.kernels.attention import attention
from distil_jax.planning.kernel_flops import kernel_flops

BLOCK, BLOCKS = 16, 4
ONE = 2.0 * BLOCK**3


def kernel(left, right, out):
    def turn(_, total):
        return total + left[...] @ right[...]

    out[...] = jax.lax.fori_loop(0, 3, turn, jnp.zeros((BLOCK, BLOCK)))


def product(x):
    rows = pl.BlockSpec((BLOCK, BLOCK), lambda i: (i, 0))
    whole = pl.BlockSpec((BLOCK, BLOCK), lambda i: (0, 0))
    call = pl.pallas_call(
        kernel,
        grid=(BLOCKS,),
        in_specs=[rows, whole],
        out_specs=rows,
        out_shape=jax.ShapeDtypeStruct(x.shape, x.dtype),
        interpret=True,
    )
    return call(x, x[:BLOCK])


def test_grid_and_loops_count_what_is_outside_of_kernels_does_not() -> None:
    def layers(x):
        y = jax.lax.scan(lambda y, _: (product(y), None), x, length=5)[0]
        return jax.jit(jax.checkpoint(product))(y) @ y.T

    x = jnp.ones((BLOCK * BLOCKS, BLOCK))
    assert kernel_flops(jax.make_jaxpr(layers)(x)) == (5 + 1) * BLOCKS * 3 * ONE


def test_of_kernels_for_several_platforms_one_counts() -> None:
    def chosen(x):
        return jax.lax.platform_dependent(x, cpu=jnp.sin, cuda=product, tpu=product)

    x = jnp.ones((BLOCK * BLOCKS, BLOCK))
    assert kernel_flops(jax.make_jaxpr(chosen)(x)) == BLOCKS * 3 * ONE
    assert kernel_flops(jax.make_jaxpr(jnp.sin)(x)) == 0.0


def test_a_program_without_operations_has_none() -> None:
    assert kernel_flops(jax.make_jaxpr(lambda x: x)(1.0)) == 0.0


@pytest.mark.parametrize(("causal", "pairs"), [(False, 16), (True, 10)])
def test_attention_counts_every_pair_of_blocks_it_computes(causal: bool, pairs: int) -> None:
    heads = jnp.ones((2, 256, 3, 32))
    segments = jnp.ones((2, 256), jnp.int32)

    def attend(query):
        mixed = attention(query, heads, heads, segments, None, causal=causal, interpret="gpu")
        return mixed.sum()

    one = 2.0 * 64 * 64 * 32 * pairs * 2 * 3
    assert kernel_flops(jax.make_jaxpr(attend)(heads)) == 2 * one
    # Three products for queries and four for keys and values.
    assert kernel_flops(jax.make_jaxpr(jax.grad(attend))(heads)) == (2 + 3 + 4) * one
