"""The model card of an ONNX folder: size, quantisation, speed on this machine, scores."""

from collections.abc import Mapping

from distil_jax.edge import processor
from distil_jax.edge.latency import latency
from distil_jax.edge.onnx_folder import OnnxModel
from distil_jax.edge.onnx_model import OPSET
from distil_jax.pretrained import model_card

QUANTISED = {
    "none": "none, float32",
    "float16": "weights stored in 16 bits, computed in float32",
    "int8": "int8 weights, dynamic ranges (onnxruntime quantize_dynamic)",
    "int8-static": "int8 weights, calibrated ranges (onnxruntime quantize_static)",
}


def onnx_card(model: OnnxModel, source: str, scores: Mapping[str, float], command: str) -> str:
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
        "quantisation": QUANTISED[model.quantisation],
        "size": f"{model.bytes:,} bytes",
        "opset": OPSET,
        "inputs": ", ".join(put.name for put in model.session.get_inputs()),
        "outputs": ", ".join(put.name for put in model.session.get_outputs()),
        "longest input": f"{model.config.positions} tokens",
        "measured on": f"{processor.name()}, onnxruntime {onnxruntime.__version__}",
        **speed,
    }
    return model_card(
        recipe=recipe,
        data="See the model that this was exported from.",
        scores=dict(scores),
        command=command,
        title="ONNX export made with distil_jax",
        summary="An encoder of the BERT family for onnxruntime. Inputs are int64 rows of equal "
        "length, padded behind the text; batch and length are free.",
        head=model.head,
        tags=["onnx"],
        library="onnx",
    )
