"""Writing an ONNX folder: graph, config.json, the tokenizer's files and a model card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distil_jax.errors import UserError
from distil_jax.exporting import quantise
from distil_jax.exporting.calibration import calibration_batches
from distil_jax.exporting.draft import atomic_dir, check_head, describe
from distil_jax.exporting.extra import require
from distil_jax.exporting.onnx_card import onnx_card
from distil_jax.exporting.onnx_folder import FILE, OnnxModel, open_onnx
from distil_jax.exporting.onnx_model import onnx_model
from distil_jax.exporting.quantise import Quantisation
from distil_jax.pretrained import Pretrained

LARGEST_FILE_BYTES = 1_900_000_000
"""A file of protocol buffers ends at 2 GiB; the weights of larger graphs lie beside them."""


@dataclass(frozen=True)
class OnnxSettings:
    """What is written.

    Attributes:
      source: what the user calls the model, for the card.
      reduce_range: weights of 7 bits in place of 8, which x86 without VNNI multiplies wrongly.
      calibration: texts or pairs, for int8-static.
      scores: for the card; `evaluate --card` adds the export's own.
    """

    source: str
    quantisation: Quantisation
    reduce_range: bool
    calibration: Sequence[tuple[str, ...]]
    scores: Mapping[str, str]
    command: str


def export_onnx(model: Pretrained, output: Path, settings: OnnxSettings) -> OnnxModel:
    """Write the folder, check it, measure it, and return it opened.

    It appears whole under its name, or not at all. Raises `UserError` for a target that exists and
    for a model that cannot be exported.
    """
    _check(model, settings)
    for library in ("onnx", "onnxruntime"):
        require(library)
    with atomic_dir(output) as draft:
        describe(draft, model, settings.source)
        _write_graph(draft, model, settings)
        card = onnx_card(
            open_onnx(draft),
            settings.source,
            reduced=settings.reduce_range,
            scores=settings.scores,
            command=settings.command,
        )
        (draft / "README.md").write_text(card, "utf-8")
    return open_onnx(output)


def _check(model: Pretrained, settings: OnnxSettings) -> None:
    check_head(model, settings.source)
    if settings.quantisation == "int8-static" and not settings.calibration:
        raise UserError("--quantize=int8-static needs --calibration, a file of real text")


def _write_graph(draft: Path, model: Pretrained, settings: OnnxSettings) -> None:
    whole = settings.quantisation in ("none", "float16")
    proto = onnx_model(
        model,
        weights="float16" if settings.quantisation == "float16" else "float32",
        table_largest=None if whole else quantise.largest(settings.reduce_range),
    )
    target = draft / FILE
    if whole:
        _save(proto, target, settings.quantisation)
    else:
        source = draft / "float.onnx"
        external = _save(proto, source, settings.quantisation)
        _quantise(source, target, model, settings, external)
        for part in draft.glob(f"{source.name}*"):
            part.unlink()
    require("onnx.checker").check_model(str(target), full_check=True)


def _quantise(
    source: Path, target: Path, model: Pretrained, settings: OnnxSettings, external: bool
) -> None:
    if settings.quantisation == "int8":
        quantise.quantise_dynamic(
            source, target, reduce_range=settings.reduce_range, external=external
        )
        return
    quantise.quantise_static(
        source,
        target,
        calibration_batches(model, settings.calibration),
        reduce_range=settings.reduce_range,
        external=external,
    )


def _save(proto: Any, path: Path, quantisation: Quantisation) -> bool:
    """Write a graph, and a large one's weights in a second file; whether there is one."""
    entry = proto.metadata_props.add()
    entry.key, entry.value = "quantisation", quantisation
    weights = sum(len(tensor.raw_data) for tensor in proto.graph.initializer)
    external = weights > LARGEST_FILE_BYTES
    require("onnx").save_model(
        proto,
        str(path),
        save_as_external_data=external,
        all_tensors_to_one_file=True,
        location=f"{path.name}.data",
    )
    return external
