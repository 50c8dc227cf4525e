"""The likeliest tokens at a text's masks, by a model folder or by an exported graph."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from distil_jax.errors import UserError
from distil_jax.exporting.layout import is_onnx
from distil_jax.models import numpy_forward
from distil_jax.pretrained import fill, load_quickly
from distil_jax.pretrained.fill import Filled
from distil_jax.tokenizer import load_plain

if TYPE_CHECKING:
    from distil_jax.exporting.onnx_folder import OnnxModel

Fill = Callable[[str], Filled]


def mask_filler(name: str | Path, *, count: int) -> Fill:
    """A function from a text to the `count` likeliest tokens of each mask; raises `UserError`."""
    return mask_fillers({"": name}, count=count)[""]


def mask_fillers(
    names: Mapping[str, str | Path], *, count: int, before_compiling: Callable[[], object] = bool
) -> dict[str, Fill]:
    """One for each model, all compiled if one is to be, so that their times can be compared."""
    folders = {role: name for role, name in names.items() if not is_onnx(name)}
    models = {role: load_quickly(name, require_head="masked_lm") for role, name in folders.items()}
    compiled = not all(numpy_forward.supports(model.config) for model in models.values())
    if compiled:
        before_compiling()
    fillers = {
        role: fill.mask_filler(model, count=count, compiled=compiled)
        for role, model in models.items()
    }
    return {
        role: fillers[role] if role in fillers else _of_graph(name, count=count)
        for role, name in names.items()
    }


def _of_graph(name: str | Path, *, count: int) -> Fill:
    from distil_jax.exporting.onnx_folder import open_onnx

    graph = open_onnx(name, open_tokenizer=load_plain)
    if graph.head != "masked_lm":
        raise UserError(
            f"{name} has no masked-language-model head (it has {graph.head}); "
            "export a model with one"
        )
    return onnx_mask_filler(graph, count=count)


def onnx_mask_filler(model: "OnnxModel", *, count: int) -> Fill:
    """As `pretrained.fill.mask_filler`, by an exported graph."""
    from distil_jax.exporting.onnx_folder import inputs_of

    def logits(ids: Sequence[int], places: Sequence[int]) -> np.ndarray:
        return model.run(inputs_of([ids], pad=model.config.pad_token))[0][0, list(places)]

    return fill.filler(model.tokenizer, model.config, logits, count=count)
