"""Losses with gradients of their own inside `jax.shard_map`, which checks what differs where."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from distil_jax.losses import IGNORE, Sides, relation_kl, vocabulary_losses

ROWS, LENGTH, WIDTH, VOCABULARY = 8, 6, 8, 13
DRAW = np.random.default_rng(0)
SHARED, DIVIDED = PartitionSpec(), PartitionSpec("rows")


def normal(*shape: int) -> jax.Array:
    return jnp.asarray(DRAW.normal(size=shape), jnp.float32)


def assert_divided_equals_whole(loss, student, others, *, specs) -> None:
    """Value and gradient of a sum over rows, whole and with the rows on four devices."""
    mesh = Mesh(np.array(jax.devices()[:4]), ("rows",))
    divided = jax.shard_map(
        lambda *given: jax.lax.psum(loss(*given), "rows"),
        mesh=mesh,
        in_specs=(specs, *(DIVIDED for _ in others)),
        out_specs=SHARED,
    )
    found = jax.jit(jax.value_and_grad(divided))(student, *others)
    expected = jax.jit(jax.value_and_grad(loss))(student, *others)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), found, expected)


def test_vocabulary_losses_with_a_shared_table() -> None:
    table, bias = normal(VOCABULARY, WIDTH), normal(VOCABULARY)
    labels = jnp.where(DRAW.random((ROWS, LENGTH)) < 0.5, 3, IGNORE)

    def loss(student, teacher, labels):
        return vocabulary_losses(
            *student, teacher, table, bias, labels, labels >= 0,
            soft_scale=0.1, mlm_scale=0.2, temperature=2.0, chunk=5,
        )[0]  # fmt: skip

    student = (normal(ROWS, LENGTH, WIDTH), normal(VOCABULARY, WIDTH), normal(VOCABULARY))
    others = (normal(ROWS, LENGTH, WIDTH), labels)
    assert_divided_equals_whole(loss, student, others, specs=(DIVIDED, SHARED, SHARED))


def test_relations() -> None:
    def loss(student, teacher, segments):
        sides = Sides(student, student), Sides(teacher, teacher)
        return relation_kl(*sides, segments, heads=2).total

    segments = jnp.tile(jnp.asarray([1, 1, 1, 2, 2, 0]), (ROWS, 1))
    others = (normal(ROWS, LENGTH, WIDTH), segments)
    assert_divided_equals_whole(loss, normal(ROWS, LENGTH, WIDTH), others, specs=DIVIDED)
