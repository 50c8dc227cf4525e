"""The model card of an ONNX folder: size, quantisation, speed on this machine, scores."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from distil_jax.errors import UserError
from distil_jax.exporting import processor
from distil_jax.exporting.draft import card_header
from distil_jax.exporting.gate import Gated
from distil_jax.exporting.latency import latency
from distil_jax.exporting.onnx_folder import OnnxModel
from distil_jax.exporting.onnx_model import OPSET
from distil_jax.pretrained import model_card, model_noun, with_scores
from distil_jax.storage.atomic import write_text

AGREEMENT, OF_TEACHER = "agreement", "teacher_"
QUANTISED = {
    "none": "none, float32",
    "float16": "weights stored in 16 bits, computed in float32",
    "int8": "int8 weights of {bits}, dynamic ranges (onnxruntime quantize_dynamic)",
    "int8-static": "int8 weights of {bits}, calibrated ranges (onnxruntime quantize_static)",
}
BITS = {True: "7 bits", False: "8 bits, wrong on x86 without VNNI"}


def onnx_card(
    model: OnnxModel,
    source: str,
    *,
    reduced: bool,
    gated: Gated | None,
    scores: Mapping[str, str],
    command: str,
) -> str:
    """The card's Markdown; the speed is measured here and now."""
    import onnxruntime

    measured = latency(model)
    speed = {
        f"ms a sequence of {length} tokens, median / p95": (
            f"{times['median']:.2f} / {times['p95']:.2f}"
        )
        for length, times in measured["batch_1_milliseconds_by_length"].items()
    }
    speed[f"sequences/s, 32 of {measured['batch_32_length']} tokens together"] = (
        f"{measured['batch_32_sequences_per_second']:.1f}"
    )
    recipe = {
        "exported from": source,
        "head": model.head,
        "quantisation": QUANTISED[model.quantisation].format(bits=BITS[reduced]),
        **(_gate_rows(gated) if gated else {}),
        "size": f"{model.bytes:,} bytes",
        "opset": OPSET,
        "inputs": ", ".join(put.name for put in model.session.get_inputs()),
        "outputs": ", ".join(model.outputs),
        "longest input": f"{model.config.positions} tokens",
        "measured on": f"{processor.name()}, onnxruntime {onnxruntime.__version__}, "
        f"{datetime.now(UTC):%Y-%m-%d}",
        **speed,
    }
    return model_card(
        card_header(model.head, "onnx"),
        recipe=recipe,
        data="See the model that this was exported from.",
        scores=dict(scores),
        command=command,
        title="ONNX export made with distil_jax",
        summary=f"A {model_noun(model.head)} ({model.config.model_type}) for onnxruntime. Inputs "
        "are int64 rows of equal length, padded behind the text; batch and length are free.",
    )


def _gate_rows(gated: Gated) -> dict[str, str]:
    """What the gate did, in the recipe's table."""
    kept = [
        f"{name.removesuffix('/kernel')} ({cost:.2%}, {gated.stored[name]})"
        for name, cost in gated.kept.items()
    ]
    layers = [f"{number} {cosine:.4f}" for number, cosine in enumerate(gated.layers, 1)]
    return {
        "gate": f"agreement with float32 of at least {gated.least:g} on {gated.texts} texts of "
        f"the calibration: {gated.agreement:.4f}, with every matmul in int8 {gated.before:.4f}",
        "matmuls left in float (the outputs' squared error by each in int8; how its weights are "
        "stored)": ", ".join(kept) or "none",
        "hidden states' cosine with float32, by layer": ", ".join(layers),
    }


def add_scores(folder: Path, results: Mapping[str, Any]) -> None:
    """Put an evaluation's figures into the folder's card, in place of an earlier one's."""
    card = folder / "README.md"
    if not card.is_file():
        raise UserError(f"{card} does not exist; export the model again, or leave --card out")
    task, teacher = results["task"], Path(results["teacher"] or "").name
    scores = {
        f"{task}: {_measure(name, teacher)}": value for name, value in results["metrics"].items()
    }
    text = with_scores(card.read_text("utf-8"), scores)
    write_text(card, text)


def _measure(name: str, teacher: str) -> str:
    """A metric's name on the card, where the teacher is another export."""
    if name.endswith(AGREEMENT):
        return f"{name} with {teacher}"
    if name.startswith(OF_TEACHER):
        return f"{name.removeprefix(OF_TEACHER)} of {teacher}"
    return name
