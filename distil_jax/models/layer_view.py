"""What a kind of layer sees of a batch: which tokens attend to which, and rotary angles."""

from typing import NamedTuple

from jaxtyping import Array, Int

from distil_jax.models.block import LayerKind
from distil_jax.models.config import EncoderConfig
from distil_jax.models.local_attention import LocalBias, is_local, local_bias
from distil_jax.models.rotary import Rotation, rotation
from distil_jax.models.segments import attention_bias, positions
from distil_jax.models.types import Batch, Bias


class LayerView(NamedTuple):
    """`bias` of attention scores, of whole rows or of blocks; `rotation` of rotary positions.

    The bias says what `segments` and `window` say, which kernels take instead.
    """

    bias: Bias | LocalBias
    rotation: Rotation | None = None
    segments: Int[Array, "batch length"] | None = None
    window: int = 0


def layer_view(
    config: EncoderConfig, batch: Batch, kind: LayerKind, *, whole: bool = False
) -> LayerView:
    """The view of a batch; with `whole` the bias is that of whole rows also inside a window.

    A relative bias is one of whole rows.
    """
    segments, causal, window = batch["segments"], config.block.causal, kind.window
    whole = whole or config.block.relative_bias
    if is_local(segments.shape[1], window) and not whole:
        bias = local_bias(segments, window=window, causal=causal)
    else:
        bias = attention_bias(segments, causal=causal, window=window)
    if not kind.theta:
        return LayerView(bias, None, segments, window)
    angles = rotation(positions(batch), config.head_size, kind.theta)
    return LayerView(bias, angles, segments, window)
