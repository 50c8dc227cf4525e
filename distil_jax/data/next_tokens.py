"""Labels of causal language modelling: each token's successor. Nothing is masked."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Int

from distil_jax.losses import IGNORE

Rows = Int[Array, "rows length"]


def next_tokens(tokens: Rows, segments: Rows) -> Rows:
    """The next token of the same segment; none behind a segment's last token and at padding."""
    following, same = (jnp.pad(x[:, 1:], ((0, 0), (0, 1))) for x in (tokens, segments))
    return jnp.where((segments > 0) & (same == segments), following, IGNORE)


@dataclass(frozen=True)
class NextTokens:
    """What a causal run has in place of `Masking`.

    Attributes:
      special, weights: as of a masking that every token is drawn for alike.
    """

    special: tuple[int, ...] = ()
    weights: None = None

    def max_masked(self, length: int) -> int:
        """The most labelled tokens of a row."""
        return length

    def labelled(
        self, seed: int, tokens: Rows, segments: Rows, epoch: Array, row: Array
    ) -> tuple[Rows, Rows]:
        """The same tokens, and their labels."""
        return tokens, next_tokens(tokens, segments)
