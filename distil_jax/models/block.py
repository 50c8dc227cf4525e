"""The block specification: what an encoder's layers are made of, whatever their sizes."""

from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from distil_jax.errors import UserError

BUCKETS = 32
"""Rows of the table of `relative_bias.py`."""

NormPlacement = Literal["post", "pre"]


class LayerKind(NamedTuple):
    """What one layer has of its own: `window` as in `Block` (0: none), `theta` (0: not rotary)."""

    window: int
    theta: float


@dataclass(frozen=True)
class Block:
    """The options of a layer; the defaults are BERT's.

    The layer reads it, and with it the student rule, width pruning and the ONNX builder.

    Attributes:
      norm: "post": LayerNorm after each residual sum; "pre": before attention and feed-forward
        block, and once more after the last layer.
      first_norm: False: layer 1 attends to the embeddings without a LayerNorm ("pre" alone).
      embedding_norm: whether the embeddings are normalised.
      gated: the feed-forward block multiplies activation(mlp_in x) with mlp_gate x (Shazeer 2020).
      biases: whether the dense maps and LayerNorms of embeddings and layers have one.
      causal: a token sees itself and those before it.
      windows: tokens to each side that each layer's attention sees, 0 for all; empty: all in
        every layer.
      relative_bias: whether all layers add one learned bias to their scores, by the distance of
        query and key (`relative_bias.py`).
      relative_span: rows to each side of the table of relative embeddings that disentangled
        attention projects (`disentangled.py`); 0: none.
      relative_reach: the distance from which on all are alike there, larger ones sharing rows by
        their logarithm; 0: each distance has a row of its own.
      position_table: whether positions are learned embeddings, added to those of the tokens.
      thetas: the base of each layer's rotary angles (Su et al. 2021); empty: no rotary positions.
    """

    norm: NormPlacement = "post"
    first_norm: bool = True
    embedding_norm: bool = True
    gated: bool = False
    biases: bool = True
    causal: bool = False
    windows: tuple[int, ...] = ()
    relative_bias: bool = False
    relative_span: int = 0
    relative_reach: int = 0
    position_table: bool = True
    thetas: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no layer computes; raises `UserError`."""
        if not self.first_norm and self.norm != "pre":
            raise UserError("only pre-norm layers can do without the first LayerNorm")
        if any(window < 0 for window in self.windows):
            raise UserError(f"attention windows {list(self.windows)} must be 0 or more")
        if any(theta <= 0 for theta in self.thetas):
            raise UserError(f"rotary thetas {list(self.thetas)} must be above 0")

    def kinds(self, layers: int) -> tuple[LayerKind, ...]:
        """What is particular to each of so many layers."""
        windows = self.windows or (0,) * layers
        thetas = self.thetas or (0.0,) * layers
        return tuple(map(LayerKind, windows, thetas))

    def of_layers(self, numbers: tuple[int, ...]) -> "Block":
        """The block of an encoder that has these layers (counted from 0) of this one."""
        if not self.first_norm and numbers[0] != 0:
            raise UserError(
                f"layers {list(numbers)} begin with {numbers[0]}; of this model layer 0 alone "
                "attends without a LayerNorm before it, so a student begins with it: put 0 first"
            )
        own: dict[str, Any] = {
            name: tuple(values[number] for number in numbers)
            for name, values in (("windows", self.windows), ("thetas", self.thetas))
            if values
        }
        return replace(self, **own)


BERT_BLOCK = Block()
