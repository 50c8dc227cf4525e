"""Every export of a model side by side: bytes, milliseconds, sequences per second, scores.

    python benchmarks/exports.py MODEL TEXT [TASK DATA]
    python benchmarks/exports.py shapes TEXT

MODEL is a model folder; TEXT calibrates int8-static, and is what a masked LM is scored on. `shapes`
measures random weights in BERT-base's and DistilBERT's shapes: the float32 BERT-base with a
classification head is the side that the exports of the DistilBERT are compared with.
"""

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np

from distil_jax import evaluate, models
from distil_jax.edge import processor
from distil_jax.edge.export import OnnxSettings, export_onnx
from distil_jax.edge.latency import BATCH, BATCH_LENGTH, LENGTHS, one_call, timed
from distil_jax.edge.quantise import QUANTISATIONS
from distil_jax.pretrained import Pretrained, load
from distil_jax.sizing import sentences
from distil_jax.sizing.known_shapes import BERT_BASE


def main() -> None:
    print(processor.name(), "saturates" if processor.saturates() else "has VNNI")
    text = Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        if sys.argv[1] == "shapes":
            shapes(Path(folder), text)
        else:
            exports = export_all(load(sys.argv[1]), Path(folder), text, QUANTISATIONS)
            measure(exports, exports["none"])
            score(exports, text, *sys.argv[3:])


def shapes(folder, text):
    """Random weights in the published shapes."""
    small = replace(BERT_BASE, model_type="distilbert", layers=6, token_types=0)
    base = export_all(random_model(BERT_BASE, "classification"), folder / "base", text, ("none",))
    task = export_all(random_model(small, "classification"), folder / "task", text, QUANTISATIONS)
    measure({"BERT-base none": base["none"]} | task, base["none"])
    for head_name, opened in export_all(
        random_model(small, "masked_lm"), folder / "mlm", text, ("none", "int8")
    ).items():
        print(f"masked LM, {head_name}: {opened.bytes / 1e6:.1f} MB")


def random_model(config, head):
    module = {
        "masked_lm": models.MaskedLM(config),
        "classification": models.SequenceClassification(config, 2),
    }[head]
    params = jax.device_get(models.initialize_module(module, jax.random.key(0)))
    labels = ("0", "1") if head == "classification" else ()
    return Pretrained(config, params, head, labels, load("builtin:teacher").tokenizer)


def export_all(model, folder, text, quantisations):
    found = sentences.read(text, most=256)
    return {
        name: export_onnx(
            model,
            folder / name,
            OnnxSettings("benchmark", name, processor.saturates(), found, {}, "benchmark"),
        )
        for name in quantisations
    }


def measure(exports, reference):
    """Bytes; batch 1 at several lengths and batch 32, every export called in turn."""
    lengths = [length for length in LENGTHS if length <= reference.config.positions]
    shapes = [(1, length) for length in lengths]
    shapes.append((BATCH, min(BATCH_LENGTH, reference.config.positions)))
    for name, model in exports.items():
        print(f"{name}: {model.bytes / 1e6:.2f} MB")
    for count, length in shapes:
        runs = {name: one_call(model, count, length) for name, model in exports.items()}
        runs["reference"] = one_call(reference, count, length)
        found = timed(runs, calls=20 if count == 1 else 5)
        for name in exports:
            times = found[name]
            ratio = found["reference"]["median"] / times["median"]
            rate = 1000 * count / times["median"]
            print(
                f"{name}: {count} x {length}: median {times['median']:.2f} ms, p95 "
                f"{times['p95']:.2f} ms, {rate:.1f} sequences/s, {ratio:.2f} x the first"
            )


def score(exports, text, task="mlm", data=""):
    """The task's score, and how often the float32 export predicts the same."""
    for name, model in exports.items():
        with tempfile.TemporaryDirectory() as folder:
            evaluate.main(
                [
                    f"--model={model.folder}",
                    f"--teacher={exports['none'].folder}",
                    f"--task={task}",
                    f"--data={data or text}",
                    f"--output={folder}/out",
                ]
            )
            results = json.loads(Path(folder, "out/results.json").read_text())
        told = {
            key: round(float(np.float64(value)), 3) for key, value in results["metrics"].items()
        }
        print(name, told)


if __name__ == "__main__":
    main()
