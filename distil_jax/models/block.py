"""The block specification: what an encoder's layers are made of, whatever their sizes."""

from dataclasses import dataclass
from typing import Literal

from distil_jax.errors import UserError

NormPlacement = Literal["post", "pre"]


@dataclass(frozen=True)
class Block:
    """The options of a layer; the defaults are BERT's. Positions are learned embeddings.

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
    """

    norm: NormPlacement = "post"
    first_norm: bool = True
    embedding_norm: bool = True
    gated: bool = False
    biases: bool = True
    causal: bool = False
    windows: tuple[int, ...] = ()
    relative_bias: bool = False

    def __post_init__(self) -> None:
        """Refuse what no layer computes; raises `UserError`."""
        if not self.first_norm and self.norm != "pre":
            raise UserError("only pre-norm layers can do without the first LayerNorm")
        if any(window < 0 for window in self.windows):
            raise UserError(f"attention windows {list(self.windows)} must be 0 or more")

    @property
    def layers_differ(self) -> bool:
        """Whether a layer has to know its number."""
        return not self.first_norm or len(set(self.windows)) > 1

    def of_layers(self, numbers: tuple[int, ...]) -> "Block":
        """The block of an encoder that has these layers (counted from 0) of this one."""
        windows = tuple(self.windows[number] for number in numbers) if self.windows else ()
        return Block(**{**vars(self), "windows": windows})


BERT_BLOCK = Block()
