"""What a student's logits are compared with: a teacher's decoder, several, or stored distributions.

All are pytrees of arrays, of which `by_token` have a leading axis of tokens. `project` makes the
logits of a `Decoder`, float32.
"""

from collections.abc import Callable
from functools import reduce
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from distil_jax.losses.top_tokens import LEAST, TopTokens, top_tokens

UNKNOWN = -1e9
"""The logit of a token that a teacher's vocabulary lacks."""


@runtime_checkable
class VocabularyTeacher(Protocol):
    """A teacher's distributions over the student's vocabulary."""

    @property
    def known(self) -> Bool[Array, " vocabulary"] | None:
        """Which of the student's tokens the teacher has; None: all."""

    def by_token(self) -> Any:
        """The arrays with a leading axis of tokens."""

    def with_tokens(self, arrays: Any) -> "VocabularyTeacher":
        """The same teacher at other tokens."""

    def logits(self, project: "Project", temperature: Any) -> Float[Array, "tokens vocabulary"]:
        """Logits whose softmax at this temperature is the teacher's distribution."""

    def top(self, count: int, project: "Project", temperature: Any) -> TopTokens:
        """The likeliest tokens of the distribution at this temperature."""

    def best(self, project: "Project", temperature: Any) -> Int[Array, " tokens"]:
        """The likeliest token of the distribution at this temperature."""


class Decoder(NamedTuple):
    """What makes logits: hidden states (the output of the MLM transform), table and bias."""

    hidden: Float[Array, "*tokens hidden_size"]
    table: Float[Array, "vocabulary hidden_size"]
    bias: Float[Array, " vocabulary"]
    known: Bool[Array, " vocabulary"] | None = None

    def by_token(self) -> Any:
        return self.hidden

    def with_tokens(self, arrays: Any) -> "Decoder":
        return self._replace(hidden=arrays)

    def logits(self, project: "Project", temperature: Any) -> Array:
        return project(self)

    def top(self, count: int, project: "Project", temperature: Any) -> TopTokens:
        return top_tokens(jax.nn.log_softmax(project(self) / temperature), count)

    def best(self, project: "Project", temperature: Any) -> Array:
        return jnp.argmax(project(self), axis=-1)


Project = Callable[[Decoder], Float[Array, "tokens vocabulary"]]


class Mixture(NamedTuple):
    """Several teachers: the weighted mean of their distributions, not of their logits.

    `weights` [teachers] add to 1.
    """

    members: tuple[Decoder, ...]
    weights: Float[Array, " teachers"]

    @property
    def known(self) -> Array | None:
        """The tokens that all of them have."""
        masks = [member.known for member in self.members if member.known is not None]
        return reduce(jnp.logical_and, masks) if masks else None

    def by_token(self) -> Any:
        return tuple(member.hidden for member in self.members)

    def with_tokens(self, arrays: Any) -> "Mixture":
        pairs = zip(self.members, arrays, strict=True)
        return self._replace(members=tuple(member.with_tokens(own) for member, own in pairs))

    def logits(self, project: "Project", temperature: Any) -> Array:
        return temperature * self._logs(project, temperature)

    def top(self, count: int, project: "Project", temperature: Any) -> TopTokens:
        return top_tokens(self._logs(project, temperature), count)

    def best(self, project: "Project", temperature: Any) -> Array:
        return jnp.argmax(self._logs(project, temperature), axis=-1)

    def _logs(self, project: "Project", temperature: Any) -> Array:
        """Logarithms of the mean distribution."""
        logs = [
            jax.nn.log_softmax(project(member) / temperature) + jnp.log(weight)
            for member, weight in zip(self.members, self.weights, strict=True)
        ]
        return reduce(jnp.logaddexp, logs)


class StoredTokens(NamedTuple):
    """The likeliest tokens of a distribution, as they were stored.

    Attributes:
      log_shares: log-probabilities at temperature 1.
      log_sum: of the exponentials of the logits, so that their sum is the logits.
      rest: logarithm of what is left at the temperature that they were stored for.
      size: as many zeros as the vocabulary has tokens.
    """

    ids: Int[Array, "*tokens count"]
    log_shares: Float[Array, "*tokens count"]
    log_sum: Float[Array, "*tokens"]
    rest: Float[Array, "*tokens"]
    size: Float[Array, " vocabulary"]
    known: Bool[Array, " vocabulary"] | None = None

    def by_token(self) -> Any:
        return (self.ids, self.log_shares, self.log_sum, self.rest)

    def with_tokens(self, arrays: Any) -> "StoredTokens":
        ids, log_shares, log_sum, rest = arrays
        return StoredTokens(ids, log_shares, log_sum, rest, self.size, self.known)

    def logits(self, project: "Project", temperature: Any) -> Array:
        """Of all tokens: the whole vocabulary must have been stored."""
        assert self.whole, "logits of a few stored tokens: refused when the run was set up"
        values = self.log_shares.astype(jnp.float32) + self.log_sum[..., None]
        zeros = jnp.zeros(values.shape, jnp.float32)
        logits = jnp.put_along_axis(zeros, self.ids, values, axis=-1, inplace=False)
        return logits if self.known is None else jnp.where(self.known, logits, UNKNOWN)

    def top(self, count: int, project: "Project", temperature: Any) -> TopTokens:
        logs = self.log_shares.astype(jnp.float32) / temperature
        if self.whole:
            logs = jax.nn.log_softmax(logs)
            shares = logs[..., :count]
            beyond = logs[..., count:]
            rest = jax.nn.logsumexp(beyond, axis=-1) if beyond.shape[-1] else None
            return TopTokens(self.ids[..., :count], shares, rest)
        # What was stored is rounded: scaled to what the rest leaves, the shares add to 1.
        rest = jnp.clip(self.rest.astype(jnp.float32), LEAST, -1e-6)
        left = jnp.log(-jnp.expm1(rest))
        logs = jax.nn.log_softmax(logs) + left[..., None]
        beyond = logs[..., count:]
        rest = jnp.logaddexp(rest, jax.nn.logsumexp(beyond, axis=-1)) if beyond.shape[-1] else rest
        return TopTokens(self.ids[..., :count], logs[..., :count], rest)

    def best(self, project: "Project", temperature: Any) -> Array:
        return self.ids[..., 0]

    @property
    def whole(self) -> bool:
        """Whether every token of the vocabulary is there."""
        return self.ids.shape[-1] == self.size.shape[0]
