"""BERT's dynamic masking, on the device, independent of the machine.

A row's mask is a function of (seed, epoch, row number) and the row's own tokens, drawn with
threefry, so it does not depend on the number of hosts, devices or restarts.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from distil_jax.losses import IGNORE


@dataclass(frozen=True)
class Masking:
    """How tokens are chosen and replaced (Devlin et al. 2018, section 3.1).

    Attributes:
      vocabulary: how many token ids there are.
      special: token ids that are neither masked nor drawn as random tokens.
      mask_token: the id of [MASK].
      percent: of a row's ordinary tokens, rounded up to whole tokens.
      mask_percent, random_percent: of the chosen tokens; the others stay as they are.
      weights: one weight per token id for drawing without replacement (the original DistilBERT:
        count ** -0.7); None draws uniformly.
    """

    vocabulary: int
    special: tuple[int, ...]
    mask_token: int
    percent: int
    mask_percent: int
    random_percent: int
    weights: tuple[float, ...] | None = None

    def max_masked(self, length: int) -> int:
        """The most tokens that can be chosen in a row of `length` tokens."""
        return (self.percent * length + 99) // 100

    def labelled(
        self,
        seed: int,
        tokens: Int[Array, "rows length"],
        segments: Int[Array, "rows length"],
        epoch: Int[Array, " rows"],
        row: Int[Array, " rows"],
    ) -> tuple[Int[Array, "rows length"], Int[Array, "rows length"]]:
        """Masked tokens, and the labels of those that were masked."""
        key = jax.random.key(seed, impl="threefry2x32")
        return mask_rows(self, key, tokens, segments, epoch, row)


def frequency_weights(counts: np.ndarray, power: float) -> tuple[float, ...]:
    """count ** -power, unseen tokens counting as seen once (the original's --mlm_smoothing)."""
    weights = np.maximum(counts, 1.0) ** -power
    return tuple(weights.tolist())


def mask_rows(
    masking: Masking,
    key: Array,
    tokens: Int[Array, "rows length"],
    segments: Int[Array, "rows length"],
    epoch: Int[Array, " rows"],
    row: Int[Array, " rows"],
) -> tuple[Int[Array, "rows length"], Int[Array, "rows length"]]:
    """The tokens with some replaced, and the labels of those (-100 elsewhere).

    Exactly ceil(percent) of each row's ordinary tokens are chosen (integer arithmetic: float32 is
    wrong for some lengths). `key` is a typed threefry key made from the seed.
    """

    def one(tokens: Array, segments: Array, epoch: Array, row: Array) -> tuple[Array, Array]:
        return _mask_row(
            masking, jax.random.fold_in(jax.random.fold_in(key, epoch), row), tokens, segments
        )

    return jax.vmap(one)(tokens, segments, epoch, row)


def _mask_row(
    masking: Masking, key: Array, tokens: Int[Array, " length"], segments: Int[Array, " length"]
) -> tuple[Int[Array, " length"], Int[Array, " length"]]:
    choose, replace, draw = jax.random.split(key, 3)
    ordinary = (segments > 0) & ~jnp.isin(tokens, jnp.asarray(masking.special, tokens.dtype))
    chosen = _choose(masking, choose, tokens, ordinary)
    replacement_draw = jax.random.randint(replace, tokens.shape, 0, 100)
    random = _ordinary_tokens(masking, draw, tokens.shape).astype(tokens.dtype)
    other = jnp.where(
        replacement_draw < masking.mask_percent + masking.random_percent, random, tokens
    )
    new = jnp.where(replacement_draw < masking.mask_percent, masking.mask_token, other)
    return jnp.where(chosen, new, tokens), jnp.where(chosen, tokens, IGNORE)


def _choose(masking: Masking, key: Array, tokens: Int[Array, " length"], ordinary: Array) -> Array:
    """Which tokens to predict: the largest of weight + Gumbel noise draw without replacement."""
    count = jnp.sum(ordinary, dtype=jnp.int32)
    wanted = (masking.percent * count + 99) // 100
    score: Float[Array, " length"] = jax.random.gumbel(key, tokens.shape)
    if masking.weights is not None:
        # In float64: a weight of a frequent token may be too small for float32.
        logarithms = np.log(np.asarray(masking.weights, np.float64)).astype(np.float32)
        score = score + jnp.asarray(logarithms)[tokens]
    order = jnp.argsort(jnp.where(ordinary, -score, jnp.inf))
    rank = jnp.zeros_like(order).at[order].set(jnp.arange(order.size))
    return (rank < wanted) & ordinary


def _ordinary_tokens(masking: Masking, key: Array, shape: tuple[int, ...]) -> Array:
    """Token ids drawn uniformly from those that are not special."""
    special = sorted(set(masking.special))
    token = jax.random.randint(key, shape, 0, masking.vocabulary - len(special))
    for token_id in special:
        token = token + (token >= token_id)
    return token


def masked_positions(labels: Int[Array, "rows length"], most: int) -> Int[Array, "rows most"]:
    """Where each row's labelled tokens are, a static number of positions, others filling it up."""
    return jnp.argsort(labels == IGNORE, axis=-1, stable=True)[:, :most]


def gather_rows(array: Array, positions: Int[Array, "rows most"]) -> Array:
    """array[row, positions[row]] for every row."""
    return jax.vmap(lambda row, position: row[position])(array, positions)
