"""A teacher's logits for a student with a part of its vocabulary."""

from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from distil_jax.losses.fused_vocabulary import LogitChunk, Term
from distil_jax.losses.top_tokens import TopTokens, top_tokens
from distil_jax.losses.vocabulary_teacher import Decoder, Project
from distil_jax.losses.weighted_sum import WeightedSum


def bucketed(
    teacher: Float[Array, "*tokens whole"], size: int, rest: int
) -> Float[Array, "*tokens kept"]:
    """Logits of the first `size` tokens, whose softmax is that of all.

    Token `rest`, the unknown one, stands for the tokens from `size` on as well as for itself: its
    share is the sum of theirs. The tokens are merged before a temperature softens the
    distribution: thousands of softened shares, added, would teach a student at temperature 2 to
    take nearly every token for the unknown one at temperature 1.
    """
    others = jnp.concatenate([teacher[..., rest : rest + 1], teacher[..., size:]], axis=-1)
    shared = jax.nn.logsumexp(others, axis=-1)
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
            return bucketed(seen.teacher(), size, self.rest)

        return self.term(seen._replace(teacher=teacher))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class BucketedDecoder:
    """A teacher's decoder whose distribution is `bucketed`: a `VocabularyTeacher`."""

    decoder: Decoder
    size: int = field(metadata={"static": True})
    rest: int = field(metadata={"static": True})

    @property
    def known(self) -> None:
        """The teacher has all of the student's tokens."""
        return None

    def by_token(self) -> Any:
        return self.decoder.hidden

    def with_tokens(self, arrays: Any) -> "BucketedDecoder":
        return replace(self, decoder=self.decoder.with_tokens(arrays))

    def logits(self, project: Project, _: Any) -> Array:
        return bucketed(project(self.decoder), self.size, self.rest)

    def top(self, count: int, project: Project, temperature: Any) -> TopTokens:
        return top_tokens(
            jax.nn.log_softmax(self.logits(project, temperature) / temperature), count
        )

    def best(self, project: Project, temperature: Any) -> Array:
        return jnp.argmax(self.logits(project, temperature), axis=-1)
