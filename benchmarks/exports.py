"""Every export of a model side by side: bytes, milliseconds, sequences per second, scores.

    python benchmarks/exports.py make FOLDER --model=MODEL --calibration=TEXT
    python benchmarks/exports.py make FOLDER --model=shapes --calibration=TEXT
    python benchmarks/exports.py speed FOLDER [--shapes=1x16,1x64,1x128,1x384,32x128] [--calls=20]
    python benchmarks/exports.py scores FOLDER --task=TASK --data=DATA [--rows=ROWS]

`make` exports MODEL in every quantisation, a folder each. `shapes` stands for random weights in
the published shapes: a float32 BERT-base and the exports of a DistilBERT, with a classification
head, and the DistilBERT's masked LM. `speed` calls all of them in turn and compares each with the
first. `scores` is `evaluate` of each, with the float32 export as its teacher.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from distil_jax import evaluate, models
from distil_jax.exporting import processor
from distil_jax.exporting.latency import BATCH, BATCH_LENGTH, LENGTHS, one_call, timed
from distil_jax.exporting.layout import is_onnx
from distil_jax.exporting.onnx_export import OnnxSettings, export_onnx
from distil_jax.exporting.onnx_folder import OnnxModel, open_onnx
from distil_jax.exporting.quantise import QUANTISATIONS
from distil_jax.exporting.subject import of_head
from distil_jax.models import EncoderConfig
from distil_jax.planning.known_shapes import BERT_BASE
from distil_jax.pretrained import Pretrained, load
from distil_jax.pretrained.model import Head
from distil_jax.profiling import sentences

SHAPES = [*((1, length) for length in LENGTHS), (BATCH, BATCH_LENGTH)]
CALLS_OF_A_BATCH = 5


def main() -> None:
    flags = parser().parse_args()
    print(f"{processor.name()}\n")
    flags.run(flags)


def make(flags: argparse.Namespace) -> None:
    if flags.model != "shapes":
        export_all(load(flags.model), flags, QUANTISATIONS, "")
        return
    small = models.student_shape(BERT_BASE, 6)
    export_all(random_model(BERT_BASE, "classification"), flags, ("none",), "BERT-base ")
    export_all(random_model(small, "classification"), flags, QUANTISATIONS, "DistilBERT ")
    export_all(random_model(small, "masked_lm"), flags, ("none", "int8"), "masked LM ")


def random_model(config: EncoderConfig, head: Head) -> Pretrained:
    module = {
        "masked_lm": models.MaskedLM(config),
        "classification": models.SequenceClassification(config, 2),
    }[head]
    params = jax.device_get(models.initialize_module(module, jax.random.key(0)))
    labels = ("0", "1") if head == "classification" else ()
    return Pretrained(config, params, head, labels, load("builtin:teacher").tokenizer)


def export_all(model: Pretrained, flags: argparse.Namespace, kinds: Any, prefix: str) -> None:
    calibration = sentences.read(flags.calibration, most=256)
    for kind in kinds:
        settings = OnnxSettings(kind, True, calibration, source="benchmark", command="benchmark")
        export = export_onnx(of_head(model), flags.folder / f"{prefix}{kind}", settings)
        print(f"{export.folder.name}: {export.bytes / 1e6:.2f} MB", flush=True)


def opened(folder: Path) -> dict[str, OnnxModel]:
    """The exports by name, the float32 one first."""
    exports = {path.name: open_onnx(path) for path in sorted(folder.iterdir()) if is_onnx(path)}
    first = next((name for name in exports if name.endswith("none")), None)
    if first is None:
        raise SystemExit(f"{folder} has no float32 export, a folder whose name ends in none")
    return {first: exports[first]} | exports


def speed(flags: argparse.Namespace) -> None:
    exports = opened(flags.folder)
    exports = {name: model for name, model in exports.items() if "masked LM" not in name}
    print("| export | MB | batch x length | median ms | p95 ms | sequences/s | over the first |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for count, length in flags.shapes:
        runs: dict[str, Callable[[], object]] = {
            name: one_call(model, count, length) for name, model in exports.items()
        }
        latencies = timed(runs, calls=flags.calls if count == 1 else CALLS_OF_A_BATCH)
        first = next(iter(latencies.values()))["median"]
        for name, times in latencies.items():
            print(
                f"| {name} | {exports[name].bytes / 1e6:.2f} | {count} x {length} "
                f"| {times['median']:.1f} | {times['p95']:.1f} "
                f"| {1000 * count / times['median']:.1f} | {first / times['median']:.2f} |",
                flush=True,
            )


def scores(flags: argparse.Namespace) -> None:
    exports = opened(flags.folder)
    first = next(iter(exports.values()))
    for name, model in exports.items():
        output = flags.folder / f"{name}-{flags.task}.scores"
        rows = [f"--rows={flags.rows}"] if flags.rows else []
        evaluate.main(
            [
                f"--model={model.folder}",
                f"--teacher={first.folder}",
                f"--task={flags.task}",
                f"--data={flags.data}",
                f"--output={output}",
                "--card",
                *rows,
            ]
        )
        metrics = json.loads((output / "results.json").read_text())["metrics"]
        print(name, {key: round(value, 3) for key, value in metrics.items()}, flush=True)


def shapes(value: str) -> list[tuple[int, int]]:
    pairs = [shape.split("x") for shape in value.split(",")]
    return [(int(count), int(length)) for count, length in pairs]


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parts = parser.add_subparsers(required=True)
    for run in (make, speed, scores):
        part = parts.add_parser(run.__name__)
        part.set_defaults(run=run)
        part.add_argument("folder", type=Path)
        if run is make:
            part.add_argument("--model", required=True, help="model folder, or shapes")
            part.add_argument("--calibration", required=True, type=Path)
        elif run is speed:
            part.add_argument("--shapes", type=shapes, default=SHAPES, help="1x16,32x128")
            part.add_argument("--calls", type=int, default=20)
        else:
            part.add_argument("--task", required=True)
            part.add_argument("--data", required=True)
            part.add_argument("--rows", type=int, default=0, help="of held-out text; 0: all")
    return parser


if __name__ == "__main__":
    main()
