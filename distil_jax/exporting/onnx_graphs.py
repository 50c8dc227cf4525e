"""Writing a model's ONNX graph into a file, in one quantisation, with a gate or without."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from distil_jax.errors import UserError
from distil_jax.exporting import gate, processor, quantise
from distil_jax.exporting.calibration import calibration_batches
from distil_jax.exporting.extra import require
from distil_jax.exporting.gate import Gated
from distil_jax.exporting.graph import NOTHING, Kept, Weights
from distil_jax.exporting.onnx_model import onnx_model
from distil_jax.exporting.quantise import Quantisation
from distil_jax.exporting.subject import Subject

LARGEST_FILE_BYTES = 1_900_000_000
"""A file of protocol buffers ends at 2 GiB; the weights of larger graphs lie beside them."""


@dataclass(frozen=True)
class GraphSettings:
    """How a graph's weights are stored.

    Attributes:
      reduce_range: weights of 7 bits in place of 8, which x86 without VNNI multiplies wrongly.
      calibration: texts or pairs, for int8-static and for the gate.
      least: agreement with float32 that int8 is held to, from 0 to 1; None: no gate.
    """

    quantisation: Quantisation
    reduce_range: bool
    calibration: Sequence[tuple[str, ...]]
    least: float | None = None


def check(settings: GraphSettings) -> None:
    """Refuse settings that lack something, or that cannot be measured here."""
    if settings.quantisation == "int8-static" and not settings.calibration:
        raise UserError("--quantize=int8-static needs --calibration, a file of real text")
    if settings.least is None:
        return
    if not settings.calibration:
        raise UserError("--gate needs --calibration, a file of real text")
    if not settings.reduce_range and not processor.multiplies_bytes():
        raise UserError(
            f"--gate runs the graph, and {processor.name()} multiplies 8-bit weights wrongly; "
            "use --target=any, or export on a processor with VNNI"
        )


def write_graph(target: Path, subject: Subject, settings: GraphSettings) -> Gated | None:
    """Write the graph (and large weights beside it) and check it; what the gate did."""
    gated = None
    if settings.quantisation in ("none", "float16"):
        weights: Weights = "float16" if settings.quantisation == "float16" else "float32"
        _save(onnx_model(subject, weights=weights), target, settings.quantisation)
    elif settings.least is None:
        _write_int8(target, subject, settings, NOTHING)
    else:
        gated = _hold(target, subject, settings, settings.least)
    require("onnx.checker").check_model(str(target), full_check=True)
    return gated


def _hold(target: Path, subject: Subject, settings: GraphSettings, least: float) -> Gated:
    whole = onnx_model(subject)
    if _bytes(whole) > LARGEST_FILE_BYTES:
        raise UserError("--gate is for models of less than 1.9 GB in float32; leave it out")
    batches = list(calibration_batches(subject.model, settings.calibration))
    largest = quantise.largest(settings.reduce_range)
    write = partial(_write_int8, target, subject, settings)
    return gate.hold(subject, whole, batches, write, least=least, largest=largest)


def _write_int8(target: Path, subject: Subject, settings: GraphSettings, kept: Kept) -> Path:
    """The graph in int8 without the `kept` products, in place of an earlier one."""
    largest = quantise.largest(settings.reduce_range)
    proto = onnx_model(subject, table_largest=largest, kept=kept)
    source = target.with_name("float.onnx")
    external = _save(proto, source, settings.quantisation)
    if settings.quantisation == "int8":
        quantise.quantise_dynamic(
            source, target, reduce_range=settings.reduce_range, external=external
        )
    else:
        quantise.quantise_static(
            source,
            target,
            calibration_batches(subject.model, settings.calibration),
            reduce_range=settings.reduce_range,
            external=external,
        )
    for part in source.parent.glob(f"{source.name}*"):
        part.unlink()
    return target


def _bytes(proto: Any) -> int:
    return sum(len(tensor.raw_data) for tensor in proto.graph.initializer)


def _save(proto: Any, path: Path, quantisation: Quantisation) -> bool:
    """Write a graph, and a large one's weights in a second file; whether there is one."""
    entry = proto.metadata_props.add()
    entry.key, entry.value = "quantisation", quantisation
    external = _bytes(proto) > LARGEST_FILE_BYTES
    require("onnx").save_model(
        proto,
        str(path),
        save_as_external_data=external,
        all_tensors_to_one_file=True,
        location=f"{path.name}.data",
    )
    return external
