"""hlo_counts: matmuls, loops and collectives counted in programs whose counts are known."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

from distil_jax.planning import hlo, hlo_counts


def compiled(function, *shapes: tuple[int, ...]) -> hlo.Program:
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return hlo.parse(jax.jit(function).lower(*arguments).compile().as_text())


def test_a_matmul_counts_two_for_each_multiplication() -> None:
    program = compiled(lambda a, b: a @ b, (60, 70), (70, 80))
    assert hlo_counts.matmul_flops(program) == 2 * 60 * 70 * 80


def test_a_batched_matmul_counts_its_batch() -> None:
    program = compiled(lambda a, b: jnp.einsum("bij,bjk->bik", a, b), (5, 60, 70), (5, 70, 80))
    assert hlo_counts.matmul_flops(program) == 2 * 5 * 60 * 70 * 80


def test_a_loops_body_counts_as_often_as_it_runs() -> None:
    def twice_nested(x, w):
        def inner(x, _):
            return jnp.tanh(x @ w), None

        def outer(x, _):
            return jax.lax.scan(inner, x, None, length=7)[0], None

        return jax.lax.scan(outer, x, None, length=3)[0]

    program = compiled(twice_nested, (64, 64), (64, 64))
    assert hlo_counts.matmul_flops(program) == 3 * 7 * 2 * 64**3


def test_collectives_are_found_with_their_bytes_and_where_they_run() -> None:
    mesh = Mesh(np.array(jax.devices()), ("data",))

    def body(x):
        def one(total, _):
            return jax.lax.psum(jnp.sin(total) + x, "data"), None

        inside = jax.lax.scan(one, jnp.zeros_like(x), None, length=5)[0]
        return inside, jax.lax.psum(x.sum(0), "data")

    mapped = jax.shard_map(
        body,
        mesh=mesh,
        in_specs=PartitionSpec("data"),
        out_specs=PartitionSpec(),
        check_vma=False,
    )
    program = compiled(mapped, (8 * 16, 128))
    counted = sorted(hlo_counts.collectives(program), key=lambda collective: collective.bytes)
    assert [dataclasses.astuple(collective) for collective in counted] == [
        ("all-reduce", 128 * 4, 1, False),
        ("all-reduce", 16 * 128 * 4, 5, True),
    ]


def test_a_batched_matmul_that_the_tpu_writes_as_a_dilated_convolution(
    tpu_matmul: str,
) -> None:
    # Attention scores: 32 rows, 12 heads, 512 x 512 positions, 64 deep.
    assert hlo_counts.matmul_flops(hlo.parse(tpu_matmul)) == 2 * 32 * 12 * 512 * 512 * 64


def test_a_loop_without_a_constant_bound_is_refused() -> None:
    def until(x):
        return jax.lax.while_loop(lambda x: x.sum() < 100.0, lambda x: x * 1.5, x)

    with pytest.raises(ValueError, match="no constant bound"):
        hlo_counts.matmul_flops(compiled(until, (4,)))


def test_the_halves_of_an_asynchronous_collective_are_one() -> None:
    text = """HloModule m
ENTRY %main (x: f32[8]) -> f32[32] {
  %x = f32[8]{0} parameter(0)
  %start = (f32[8]{0}, f32[32]{0}) all-gather-start(%x), replica_groups={{0,1,2,3}}
  ROOT %done = f32[32]{0} all-gather-done(%start)
}
"""
    (collective,) = hlo_counts.collectives(hlo.parse(text))
    assert dataclasses.astuple(collective) == ("all-gather", 128, 1, False)


def test_the_compilers_own_count_agrees_without_loops() -> None:
    def network(x, w, v):
        return jax.nn.gelu(x @ w) @ v

    shapes = [(32, 48), (48, 64), (64, 16)]
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    step = jax.jit(partial(network)).lower(*arguments).compile()
    counted = hlo_counts.matmul_flops(hlo.parse(step.as_text()))
    assert counted == 2 * 32 * 48 * 64 + 2 * 32 * 64 * 16
    assert counted <= step.cost_analysis()["flops"] < 1.5 * counted
