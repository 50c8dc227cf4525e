"""The legend of dimensions and the types that every module of this package uses.

batch: rows; length: tokens of a row; hidden_size; mlp_size: inside the feed-forward block; heads
and head_size: attention; layers; vocabulary; labels: classes of a task.
"""

from collections.abc import Mapping
from typing import Any, Literal

from jaxtyping import Array, Float, Int

Batch = Mapping[str, Array]
Params = Mapping[str, Any]

Tokens = Int[Array, "batch length"]
Hidden = Float[Array, "batch length hidden_size"]
Bias = Float[Array, "batch 1 length length"]
Relative = Float[Array, "heads length length"] | Float[Array, "rows hidden_size"]
"""A bias of the scores that all layers share, or the table of relative embeddings."""

Rematerialise = Literal["none", "attention", "layer"]
