"""The legend of dimensions and the types that every module of this room speaks.

batch: rows; length: tokens of a row; width: size of a hidden state; inner: size inside the
feed-forward block; heads and head_width: attention; layers; vocabulary; labels: classes of a task.
"""

from collections.abc import Mapping
from typing import Any, Literal

from jaxtyping import Array, Float, Int

Batch = Mapping[str, Array]
Params = Mapping[str, Any]

Tokens = Int[Array, "batch length"]
Hidden = Float[Array, "batch length width"]
Bias = Float[Array, "batch 1 length length"]

Rematerialise = Literal["none", "attention", "layer"]
