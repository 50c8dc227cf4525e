"""The losses in a training loop of your own, with Flax Linen, Flax NNX or Equinox.

    python examples/losses_in_your_loop.py [linen|nnx|equinox ...]    # Equinox: pip install equinox

A two-layer student learns the distributions of a two-layer teacher over random tokens. The losses
are pure functions of arrays: each is a sum and a count, so that padding and micro-batches add up.
"""

import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from distil_jax import losses

VOCABULARY, WIDTH, ROWS, LENGTH, STEPS = 50, 32, 8, 16, 20


def distillation_loss(student: jax.Array, teacher: jax.Array, tokens: jax.Array) -> jax.Array:
    """Soft targets at all tokens, cross-entropy of every seventh, by DistilBERT's weights."""
    labels = jnp.where(jnp.arange(LENGTH) % 7 == 0, tokens, losses.IGNORE)
    mask = jnp.ones(tokens.shape, bool)
    soft = losses.soft_target(student, teacher, mask, temperature=2.0)
    return 5.0 * soft.value() + 2.0 * losses.masked_lm(student, labels).value()


def tokens() -> jax.Array:
    return jax.random.randint(jax.random.key(0), (ROWS, LENGTH), 0, VOCABULARY)


def train(value_and_grad: Callable[[Any], Any], params: Any) -> tuple[float, float]:
    """The first and the last loss of a loop that knows nothing of distil_jax."""
    optimizer = optax.adamw(1e-2)
    state, first = optimizer.init(params), None
    for _ in range(STEPS):
        loss, gradient = value_and_grad(params)
        updates, state = optimizer.update(gradient, state, params)
        params = optax.apply_updates(params, updates)
        first = loss if first is None else first
    return float(first), float(loss)


def linen() -> tuple[float, float]:
    """Flax Linen: parameters are a tree, `apply` is pure."""
    from flax import linen as nn

    model = nn.Sequential([nn.Embed(VOCABULARY, WIDTH), nn.Dense(WIDTH), nn.Dense(VOCABULARY)])
    batch = tokens()
    teacher = model.apply(model.init(jax.random.key(1), batch), batch)

    def loss(params: Any) -> jax.Array:
        return distillation_loss(model.apply(params, batch), teacher, batch)

    return train(jax.jit(jax.value_and_grad(loss)), model.init(jax.random.key(2), batch))


def nnx() -> tuple[float, float]:
    """Flax NNX: a module is split into what it is and its parameters."""
    from flax import nnx

    def model(seed: int) -> nnx.Sequential:
        rngs = nnx.Rngs(seed)
        return nnx.Sequential(
            nnx.Embed(VOCABULARY, WIDTH, rngs=rngs), nnx.Linear(WIDTH, VOCABULARY, rngs=rngs)
        )

    batch = tokens()
    teacher = model(1)(batch)
    graph, params = nnx.split(model(2))

    def loss(params: Any) -> jax.Array:
        return distillation_loss(nnx.merge(graph, params)(batch), teacher, batch)

    return train(jax.jit(jax.value_and_grad(loss)), params)


def equinox() -> tuple[float, float]:
    """Equinox: a module is a tree."""
    import equinox as eqx

    def model(seed: int) -> eqx.nn.MLP:
        return eqx.nn.MLP(VOCABULARY, VOCABULARY, WIDTH, 1, key=jax.random.key(seed))

    batch = tokens()

    def logits(mlp: eqx.nn.MLP) -> jax.Array:
        return jax.vmap(jax.vmap(mlp))(jax.nn.one_hot(batch, VOCABULARY))

    teacher = logits(model(1))
    params, rest = eqx.partition(model(2), eqx.is_array)

    def loss(params: Any) -> jax.Array:
        return distillation_loss(logits(eqx.combine(params, rest)), teacher, batch)

    return train(jax.jit(jax.value_and_grad(loss)), params)


def main(names: list[str]) -> None:
    """Train with each and print the first and the last loss."""
    for name in names or ["linen", "nnx"]:
        first, last = {"linen": linen, "nnx": nnx, "equinox": equinox}[name]()
        print(f"{name}: {first:.3f} -> {last:.3f}")


if __name__ == "__main__":
    main(sys.argv[1:])
