"""Losses with gradients of their own inside `jax.shard_map`, which checks what differs where."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from distil_jax.losses import IGNORE, Sides, relation_kl, soft_target, vocabulary_losses

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


def relations_of(states: jax.Array, mask: jax.Array):
    return relation_kl(Sides(states, states), Sides(states, states), mask, heads=2)


def vocabulary_of(states: jax.Array, mask: jax.Array):
    decoder = states, jnp.ones((VOCABULARY, WIDTH)), jnp.ones(VOCABULARY)
    scales = {"soft_scale": 1.0, "mlm_scale": 1.0, "temperature": 2.0}
    return vocabulary_losses(*decoder, *decoder, mask, mask, **scales)[1].soft_target


def likeliest_of(states: jax.Array, mask: jax.Array):
    return soft_target(states, states, mask, temperature=2.0, top_k=3)


@pytest.mark.parametrize("loss", [relations_of, vocabulary_of, likeliest_of])
def test_on_explicit_axes_one_is_sent_to_shard_map(loss) -> None:
    mesh = jax.make_mesh((4,), ("rows",), axis_types=(AxisType.Explicit,))
    divided = NamedSharding(mesh, DIVIDED)
    states = jax.device_put(normal(ROWS, LENGTH, WIDTH), divided)
    mask = jax.device_put(jnp.ones((ROWS, LENGTH), int), divided)

    def total(states: jax.Array, mask: jax.Array) -> jax.Array:
        return jax.lax.psum(loss(states, mask).total, "rows")

    with jax.set_mesh(mesh):
        with pytest.raises(ValueError, match=r"along .*rows.* call this loss in jax.shard_map"):
            jax.jit(loss)(states, mask)
        found = jax.shard_map(total, in_specs=(DIVIDED, DIVIDED), out_specs=SHARED)(states, mask)
    assert abs(found) < 1e-4
