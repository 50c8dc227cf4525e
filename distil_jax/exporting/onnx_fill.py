"""The likeliest tokens at a text's masks, by a model folder or by an exported graph."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from distil_jax.errors import UserError
from distil_jax.exporting.onnx_folder import OnnxModel, inputs_of, is_onnx, open_onnx
from distil_jax.pretrained import fill, load
from distil_jax.pretrained.fill import Filled
from distil_jax.pretrained.model import check_vocabulary
from distil_jax.tokenizer import load_plain


def mask_filler(name: str | Path, *, count: int) -> Callable[[str], Filled]:
    """A function from a text to the `count` likeliest tokens of each mask; raises `UserError`."""
    if not is_onnx(name):
        model = load(name, require_head="masked_lm", open_tokenizer=load_plain)
        return fill.mask_filler(model, count=count)
    graph = open_onnx(name, open_tokenizer=load_plain)
    if graph.head != "masked_lm":
        raise UserError(
            f"{name} has no masked-language-model head (it has {graph.head}); "
            "export a model with one"
        )
    return onnx_mask_filler(graph, count=count)


def onnx_mask_filler(model: OnnxModel, *, count: int) -> Callable[[str], Filled]:
    """As `pretrained.fill.mask_filler`, by an exported graph."""
    check_vocabulary(model.tokenizer, model.config)

    def filled(text: str) -> Filled:
        ids, places = fill.masked_places(model.tokenizer, model.config.positions, text)
        inputs = inputs_of([ids], pad=model.config.pad_token)
        logits = model.run(inputs)[0][0, places, : len(model.tokenizer)].astype(np.float64)
        tokens = np.argsort(-logits, axis=-1, kind="stable")[:, :count]
        shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        return Filled(
            fill.candidates(model.tokenizer, tokens, np.take_along_axis(shares, tokens, axis=-1)),
            fill.milliseconds(lambda: model.run(inputs)),
        )

    return filled
