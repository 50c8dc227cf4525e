"""Every export of a model side by side: bytes, milliseconds, sequences per second, memory, scores.

    python benchmarks/exports.py make FOLDER --model=MODEL --calibration=TEXT
    python benchmarks/exports.py make FOLDER --model=shapes|heads --calibration=TEXT
    python benchmarks/exports.py speed FOLDER [--shapes=1x16,1x128,32x128] [--rounds=4]
    python benchmarks/exports.py scores FOLDER --task=TASK --data=DATA [--rows=ROWS]

`make` writes MODEL, a folder each: in every quantisation and int8 for each target; `own`, which is
onnxruntime's quantize_dynamic of the float32 graph with nothing said; `web`, in the layout of
transformers.js; and `pytorch`, the model's own folder. `shapes` stands for random weights in the
published shapes: a float32 BERT-base beside a DistilBERT, both with a classification head; `heads`
for the DistilBERT with every other head, in float32 and int8.

`speed` runs each of them in a process of its own, in turn, a few calls at a time, and compares each
with the first, by the clock and in processor time, which others on the machine change less
(`taskset -c 1` before the command gives them one core); PyTorch with torch installed,
transformers.js with `--transformers-js=FOLDER`, where npm installed it
(tests/exporting/transformers_js has its lock). `scores` is `evaluate` of each export, with the
float32 one as its teacher.
"""

import argparse
import contextlib
import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from distil_jax import evaluate, models
from distil_jax.exporting import processor
from distil_jax.exporting.layout import FILE, FILES, FOLDER, is_onnx
from distil_jax.exporting.onnx_export import OnnxSettings, export_onnx
from distil_jax.exporting.onnx_folder import open_onnx
from distil_jax.exporting.subject import Subject, of_head, of_sentences
from distil_jax.models import EncoderConfig
from distil_jax.models.vector_config import NORMALIZE, VectorConfig
from distil_jax.planning.known_shapes import BERT_BASE
from distil_jax.pretrained import Pretrained, SentenceModel, load, save
from distil_jax.pretrained.model import Head
from distil_jax.profiling import sentences
from distil_jax.tasks.table import kind_of_head

SHAPES = [(1, 16), (1, 64), (1, 128), (1, 384), (32, 128)]
CALLS, CALLS_OF_A_BATCH = 5, 1
FLOAT = "none"
VARIANTS: Mapping[str, tuple[Any, bool]] = {
    FLOAT: ("none", True),
    "float16": ("float16", True),
    "int8": ("int8", True),
    "int8 vnni": ("int8", False),
    "int8-static": ("int8-static", True),
    "int8-static vnni": ("int8-static", False),
}
"""The quantisation, and whether it has 7 bits (`--target=any`) or 8 (`--target=vnni`)."""
OWN, WEB, PYTORCH = "own", "web", "pytorch"
HEADS_OF_SHAPES: tuple[Head, ...] = ("masked_lm", "token_classification", "question_answering")
LABELS_OF_SHAPES = {"classification": ("0", "1"), "token_classification": tuple("abcdefghi")}
WORKER = Path(__file__).with_name("export_worker.py")


def main() -> None:
    flags = parser().parse_args()
    print(f"{processor.name()}\n")
    flags.run(flags)


def make(flags: argparse.Namespace) -> None:
    small = models.student_shape(BERT_BASE, 6)
    texts = sentences.read(flags.calibration, most=256)
    base = OnnxSettings("none", True, texts, source="benchmark", command="benchmark")
    if flags.model == "shapes":
        large = of_head(random_model(BERT_BASE, "classification"))
        export(large, flags.folder / f"BERT-base {FLOAT}", base)
        everything(random_model(small, "classification"), flags.folder, base, "DistilBERT ")
    elif flags.model == "heads":
        for head in HEADS_OF_SHAPES:
            some(of_head(random_model(small, head)), flags.folder, base, f"{head} ")
        some(random_sentences(small), flags.folder, base, "vectors ")
    else:
        everything(load(flags.model), flags.folder, base, "")


def random_model(config: EncoderConfig, head: Head) -> Pretrained:
    labels = LABELS_OF_SHAPES.get(head or "", ())
    kind = kind_of_head(head)
    assert kind is not None
    module = kind.model(config, max(1, len(labels)))
    params = jax.device_get(models.initialize_module(module, jax.random.key(0)))
    return Pretrained(config, params, head, labels, load("builtin:teacher").tokenizer)


def random_sentences(config: EncoderConfig) -> Subject:
    model = random_model(config, "classification")
    bare = replace(model, params={"encoder": model.params["encoder"]}, head=None, labels=())
    return of_sentences(SentenceModel(bare, VectorConfig(("mean",), (NORMALIZE,), 512)))


def everything(model: Pretrained, folder: Path, base: OnnxSettings, prefix: str) -> None:
    """All variants, onnxruntime's own, transformers.js's folder and PyTorch's."""
    subject = of_head(model)
    for name, (quantisation, reduce_range) in VARIANTS.items():
        settings = replace(base, quantisation=quantisation, reduce_range=reduce_range)
        export(subject, folder / f"{prefix}{name}", settings)
    quantised_plainly(folder / f"{prefix}{FLOAT}", folder / f"{prefix}{OWN}")
    web = replace(base, quantisation="int8", layout="transformers.js")
    export(subject, folder / f"{prefix}{WEB}", web)
    save(folder / f"{prefix}{PYTORCH}", model)


def some(subject: Subject, folder: Path, base: OnnxSettings, prefix: str) -> None:
    for quantisation in ("none", "int8"):
        settings = replace(base, quantisation=quantisation)
        export(subject, folder / f"{prefix}{quantisation}", settings)


def export(subject: Subject, folder: Path, settings: OnnxSettings) -> None:
    if not folder.exists():
        export_onnx(subject, folder, settings)
    print(f"{folder.name}: {open_onnx(folder).bytes / 1e6:.2f} MB", flush=True)


def quantised_plainly(source: Path, target: Path) -> None:
    """onnxruntime's dynamic quantisation as its documentation shows it, of the float32 graph."""
    from onnxruntime.quantization import quantize_dynamic

    if not target.exists():
        shutil.copytree(source, target)
        quantize_dynamic(source / FILE, target / FILE)
    print(f"{target.name}: {(target / FILE).stat().st_size / 1e6:.2f} MB", flush=True)


class Worker:
    """A model in its own process; `with` ends it."""

    def __init__(self, name: str, command: list[str], file: Path) -> None:
        self.name, self.megabytes = name, file.stat().st_size / 1e6
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._answer()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()

    def milliseconds(self, count: int, length: int, calls: int) -> list[tuple[float, float]]:
        """By the clock and of the processor, for each call."""
        return json.loads(self._ask(f"{count} {length} {calls}"))

    def memory(self) -> tuple[float, float]:
        """Megabytes before the model was opened, and the most until now."""
        before, most = json.loads(self._ask("memory"))
        return before, most

    def _ask(self, line: str) -> str:
        assert self._process.stdin
        print(line, file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended with status {self._process.wait()}")
        return line


def workers(flags: argparse.Namespace) -> Iterator[Worker]:
    """One for each graph and model of the folder, the first float32 export first."""
    folders = [path for path in sorted(flags.folder.iterdir()) if path.is_dir()]
    exports = [path for path in folders if (path / FILE).is_file()]
    python = [sys.executable, str(WORKER)]
    for path in sorted(exports, key=lambda each: not each.name.endswith(FLOAT)):
        yield Worker(path.name, [*python, "onnx", str(path / FILE)], path / FILE)
    for path in folders:
        weights = path / "model.safetensors"
        if weights.is_file() and importlib.util.find_spec("torch"):
            yield Worker(path.name, [*python, "pytorch", str(path)], weights)
        if (path / FOLDER).is_dir() and flags.transformers_js:
            for dtype, quantisation in (("fp32", "none"), ("q8", "int8")):
                node = ["node", str(WORKER.with_suffix(".mjs")), str(flags.transformers_js)]
                file = path / FOLDER / FILES[quantisation]
                yield Worker(f"{path.name} {dtype}", [*node, str(path), dtype], file)


def speed(flags: argparse.Namespace) -> None:
    with contextlib.ExitStack() as stack:
        every = [stack.enter_context(worker) for worker in workers(flags)]
        print(
            "| model | MB | batch x length | median ms | p95 ms | of the processor | over first |"
        )
        print("|---|---:|---:|---:|---:|---:|---:|")
        for count, length in flags.shapes:
            times: dict[str, list[tuple[float, float]]] = {worker.name: [] for worker in every}
            for _ in range(flags.rounds):
                for worker in every:
                    calls = CALLS if count == 1 else CALLS_OF_A_BATCH
                    times[worker.name] += worker.milliseconds(count, length, calls)
            medians = {name: np.median(both, axis=0) for name, both in times.items()}
            first = medians[every[0].name]
            for worker in every:
                clock, processors = medians[worker.name]
                late = np.percentile([each for each, _ in times[worker.name]], 95)
                print(
                    f"| {worker.name} | {worker.megabytes:.2f} | {count} x {length} | {clock:.1f} "
                    f"| {late:.1f} | {processors:.1f} | {first[0] / clock:.2f}, "
                    f"{first[1] / processors:.2f} |",
                    flush=True,
                )
            memory(every, f"{count} x {length}")


def memory(every: list[Worker], shape: str) -> None:
    print(f"\n| memory at most until {shape}, MB | process before the model | with it |")
    print("|---|---:|---:|")
    for worker in every:
        before, most = worker.memory()
        print(f"| {worker.name} | {before:.0f} | {most:.0f} |", flush=True)
    print()


def scores(flags: argparse.Namespace) -> None:
    folders = [path for path in sorted(flags.folder.iterdir()) if is_onnx(path)]
    first = next(path for path in folders if path.name.endswith(FLOAT))
    for folder in [first, *(path for path in folders if path != first)]:
        output = flags.folder / f"{folder.name}-{flags.task}.scores"
        rows = [f"--rows={flags.rows}"] if flags.rows else []
        evaluate.main(
            [
                f"--model={folder}",
                f"--teacher={first}",
                f"--task={flags.task}",
                f"--data={flags.data}",
                f"--output={output}",
                "--card",
                *rows,
            ]
        )
        metrics = json.loads((output / "results.json").read_text())["metrics"]
        print(folder.name, {key: round(value, 3) for key, value in metrics.items()}, flush=True)


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
            part.add_argument("--model", required=True, help="model folder, shapes or heads")
            part.add_argument("--calibration", required=True, type=Path)
        elif run is speed:
            part.add_argument("--shapes", type=shapes, default=SHAPES, help="1x16,32x128")
            part.add_argument("--rounds", type=int, default=4)
            part.add_argument("--transformers-js", type=Path, help="where npm installed it")
        else:
            part.add_argument("--task", required=True)
            part.add_argument("--data", required=True)
            part.add_argument("--rows", type=int, default=0, help="of held-out text; 0: all")
    return parser


if __name__ == "__main__":
    main()
