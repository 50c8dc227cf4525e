"""The intermediate values of an encoder: which are requested, and those that it handed out."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields

import jax
from flax import linen as nn
from jaxtyping import Array, Float

from distil_jax.errors import UserError
from distil_jax.models.types import Hidden

Heads = Float[Array, "batch length heads head_size"]
Scores = Float[Array, "batch heads query key"]

HIDDEN_STATES = "hidden_states"
COLLECTIONS = {
    "attention_scores": ("attention_scores",),
    "queries_keys_values": ("queries", "keys", "values"),
    "attention_output": ("attention_output",),
}
"""What each field of a `Request` asks a layer for: the variable collections that it fills."""


@dataclass(frozen=True)
class Request:
    """Which intermediates an encoder is to return, by layer; the last hidden state always comes.

    Hidden state 0 is the embeddings' output, n the output of layer n. Layers count from 1; a
    layer's attention is the one that leads to the hidden state of the same number.
    """

    hidden_states: frozenset[int] = frozenset()
    attention_scores: frozenset[int] = frozenset()
    queries_keys_values: frozenset[int] = frozenset()
    attention_output: frozenset[int] = frozenset()

    def __or__(self, other: "Request") -> "Request":
        """Everything that either asks for."""
        union = {
            each.name: getattr(self, each.name) | getattr(other, each.name) for each in fields(self)
        }
        return Request(**union)

    def check(self, layers: int) -> None:
        """Refuse numbers that an encoder of so many layers lacks; raises `UserError`."""
        for each in fields(self):
            first = 0 if each.name == HIDDEN_STATES else 1
            wrong = sorted(n for n in getattr(self, each.name) if not first <= n <= layers)
            if wrong:
                raise UserError(
                    f"{each.name} of layer {wrong[0]} are requested of an encoder of {layers} "
                    f"layers; use a number between {first} and {layers}"
                )

    def of_layer(self, number: int) -> tuple[str, ...]:
        """The collections that this layer has to fill."""
        return tuple(name for name, numbers in self.by_collection().items() if number in numbers)

    def by_collection(self) -> dict[str, tuple[int, ...]]:
        """The layers, ascending, that fill each collection; those that no layer fills left out."""
        return {
            collection: tuple(sorted(getattr(self, name)))
            for name, collections in COLLECTIONS.items()
            for collection in collections
            if getattr(self, name)
        }


def hidden_states(numbers: Iterable[int]) -> Request:
    """A request for these hidden states."""
    return Request(hidden_states=frozenset(numbers))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Intermediates:
    """What an encoder handed out, by layer as in `Request`.

    Attributes:
      last: the final hidden state.
      hidden_states: after the embeddings (0) and after layers.
      attention_scores: query key^T / sqrt(head_size), float32, with what relative positions add;
        before the mask and the softmax.
      queries, keys, values: the three projections, not scaled.
      attention_output: what the attention's output projection reads.
    """

    last: Hidden
    hidden_states: dict[int, Hidden] = field(default_factory=dict)
    attention_scores: dict[int, Scores] = field(default_factory=dict)
    queries: dict[int, Heads] = field(default_factory=dict)
    keys: dict[int, Heads] = field(default_factory=dict)
    values: dict[int, Heads] = field(default_factory=dict)
    attention_output: dict[int, Hidden] = field(default_factory=dict)


def offer(module: nn.Module, collection: str, value: Array) -> None:
    """Return a value from inside a layer, if the call asked for its collection."""
    module.sow(collection, collection, value, reduce_fn=lambda _, new: new, init_fn=lambda: None)
