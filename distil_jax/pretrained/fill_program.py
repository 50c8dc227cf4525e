"""The logits at a text's masks by a compiled program, for layers that NumPy's forward has not."""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from distil_jax.models import EncoderConfig, MaskedLM, output_table
from distil_jax.models.types import Batch, Params
from distil_jax.pretrained.fill import MaskedLogits

LENGTH_STEP = 32  # rows are padded to a multiple, so that few lengths are compiled


def compiled_logits(config: EncoderConfig, params: Params) -> MaskedLogits:
    """A function from a text's tokens and its masks' places to logits [masks, vocabulary]."""
    model, stored = MaskedLM(config, scan=True), jax.device_put(params)

    @jax.jit
    def program(
        params: Params, batch: Batch, places: Int[Array, " masks"]
    ) -> Float[Array, "masks vocabulary"]:
        _, features = model.apply({"params": params}, batch, method="features")
        table, bias = output_table(params)
        return features[0, places] @ table.T + bias

    def logits(ids: Sequence[int], places: Sequence[int]) -> np.ndarray:
        where = np.asarray(places, np.int32)
        return np.asarray(jax.device_get(program(stored, _row(config, ids), where)))

    return logits


def _row(config: EncoderConfig, ids: Sequence[int]) -> dict[str, np.ndarray]:
    """One padded row."""
    length = min(-(-len(ids) // LENGTH_STEP) * LENGTH_STEP, config.positions)
    padding = (0, length - len(ids))
    tokens = np.pad(np.asarray(ids, np.int32), padding, constant_values=config.pad_token)
    segments = np.pad(np.ones(len(ids), np.int32), padding)
    return {"tokens": tokens[None], "segments": segments[None]}
