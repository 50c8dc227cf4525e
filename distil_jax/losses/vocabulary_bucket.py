"""A teacher's logits for a student with a part of its vocabulary."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from distil_jax.losses.fused_vocabulary import LogitChunk, Term
from distil_jax.losses.weighted_sum import WeightedSum


def bucketed(
    teacher: Float[Array, "*tokens whole"],
    size: int,
    rest: int,
    *,
    temperature: float | Float[Array, ""],
) -> Float[Array, "*tokens kept"]:
    """Logits of the first `size` tokens, whose softmax at this temperature is that of all.

    Token `rest`, the unknown one, stands for the tokens from `size` on as well as for itself: its
    share is the sum of theirs.
    """
    others = jnp.concatenate([teacher[..., rest : rest + 1], teacher[..., size:]], axis=-1)
    shared = temperature * jax.nn.logsumexp(others / temperature, axis=-1)
    return teacher[..., :size].at[..., rest].set(shared)


@dataclass(frozen=True)
class Bucketed:
    """A term of the loss that sees the teacher's logits `bucketed`."""

    term: Term
    rest: int

    def __call__(self, seen: LogitChunk) -> tuple[WeightedSum, Float[Array, "chunk vocabulary"]]:
        """The term's sum and gradient."""
        size = seen.student.shape[-1]

        def teacher() -> Array:
            return bucketed(seen.teacher(), size, self.rest, temperature=seen.temperature)

        return self.term(seen._replace(teacher=teacher))
