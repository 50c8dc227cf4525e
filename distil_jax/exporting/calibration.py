"""Real text for fixing the ranges of a static quantisation."""

from collections.abc import Iterator, Sequence

import numpy as np

from distil_jax.exporting.onnx_encoder import input_names
from distil_jax.exporting.onnx_folder import inputs_of
from distil_jax.pretrained import Pretrained
from distil_jax.tokenizer import special_ids

LENGTH = 128
MASKED_SHARE = 0.15
TOGETHER = 8


def calibration_batches(
    model: Pretrained, texts: Sequence[tuple[str, ...]]
) -> Iterator[dict[str, np.ndarray]]:
    """Inputs of a few texts (or pairs) each; a masked LM gets masks, as where it will be used."""
    assert model.tokenizer is not None
    special = special_ids(model.tokenizer)
    draw = np.random.default_rng(0)
    most = min(LENGTH, model.config.positions)
    known = input_names(model.config)
    for start in range(0, len(texts), TOGETHER):
        encoded = [
            model.tokenizer(*text, truncation=True, max_length=most, return_token_type_ids=True)
            for text in texts[start : start + TOGETHER]
        ]
        rows = [np.asarray(one["input_ids"]) for one in encoded]
        if model.head == "masked_lm" and special.mask is not None:
            rows = [
                np.where(
                    (draw.random(len(row)) < MASKED_SHARE) & ~np.isin(row, special.every),
                    special.mask,
                    row,
                )
                for row in rows
            ]
        types = [one["token_type_ids"] for one in encoded]
        inputs = inputs_of(rows, pad=special.pad, token_types=types)
        yield {name: inputs[name] for name in known}
