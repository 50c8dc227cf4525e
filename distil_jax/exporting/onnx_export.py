"""Writing an ONNX folder: graphs, config.json, the tokenizer's files and a model card."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from distil_jax.errors import UserError
from distil_jax.exporting import layout, onnx_graphs
from distil_jax.exporting.draft import atomic_dir, describe
from distil_jax.exporting.extra import require
from distil_jax.exporting.gate import Gated
from distil_jax.exporting.layout import Layout
from distil_jax.exporting.onnx_card import onnx_card
from distil_jax.exporting.onnx_folder import OnnxModel, open_onnx
from distil_jax.exporting.onnx_graphs import GraphSettings, write_graph
from distil_jax.exporting.quantise import Quantisation
from distil_jax.exporting.subject import Subject


@dataclass(frozen=True)
class OnnxSettings(GraphSettings):
    """What is written.

    Attributes:
      source: what the user calls the model, for the card.
      scores: for the card; `evaluate --card` adds the export's own.
      layout: with three graphs or one; `quantisation` is that of the one that is opened.
    """

    source: str = ""
    scores: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    layout: Layout = "flat"


def export_onnx(subject: Subject, output: Path, settings: OnnxSettings) -> OnnxModel:
    """Write the folder, check it, measure it, and return it opened.

    It appears whole under its name, or not at all. Raises `UserError` for a target that exists and
    for a model that cannot be exported.
    """
    onnx_graphs.check(settings)
    if not subject.model.config.layers and settings.calibration:
        raise UserError(
            f"{settings.source} is a table of vectors, which multiplies nothing that a calibration "
            "could measure; use --quantize=int8 without --calibration"
        )
    for library in ("onnx", "onnxruntime"):
        require(library)
    with atomic_dir(output) as draft:
        describe(draft, subject)
        gated = LAYOUTS[settings.layout](draft, subject, settings)
        card = onnx_card(
            open_onnx(draft),
            settings.source,
            reduced=settings.reduce_range,
            gated=gated,
            scores=settings.scores,
            command=settings.command,
        )
        (draft / "README.md").write_text(card, "utf-8")
    return open_onnx(output)


def _write_one(draft: Path, subject: Subject, settings: OnnxSettings) -> Gated | None:
    return write_graph(draft / layout.FILE, subject, settings)


def _write_three(draft: Path, subject: Subject, settings: OnnxSettings) -> Gated | None:
    """float32, float16 and int8; config.json says which one is opened."""
    folder = draft / layout.FOLDER
    folder.mkdir()
    chosen = settings.quantisation
    int8: Quantisation = chosen if chosen.startswith("int8") else "int8"
    kinds: tuple[Quantisation, ...] = ("none", "float16", int8)
    gated = None
    for quantisation in kinds:
        target = folder / layout.FILES[quantisation]
        own = replace(settings, quantisation=quantisation)
        gated = write_graph(target, subject, own) or gated
        if any(folder.glob("*.data")):
            raise UserError(
                f"{settings.source} takes more than 1.9 GB in float32, which no browser loads; "
                "use --layout=flat, or export a smaller model"
            )
    layout.set_default(draft, chosen)
    return gated


LAYOUTS = {"flat": _write_one, "transformers.js": _write_three}
