"""Sentence vectors in a browser: their scores, and milliseconds a sentence.

    python benchmarks/browser.py MODEL --libraries=NODE --task=sts --data=STSB --output=SCORES

MODEL is what `export --format=onnx --pooling=graph --layout=transformers.js` wrote; NODE has a
node_modules with what `npm install @huggingface/transformers@4.3.2 puppeteer-core@24.43.1
@sparticuz/chromium@147.0.0 --ignore-scripts` puts there. The texts are embedded by transformers.js
in a headless Chromium (CHROME names another), one at a time, as a page does, and scored like
`evaluate` does; prints the median of milliseconds, too.
"""

import argparse
import contextlib
import json
import shutil
import statistics
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import jax
import numpy as np

from distil_jax import commandline
from distil_jax.embedding.embedder import Progress, Vectors, nothing
from distil_jax.errors import UserError
from distil_jax.evaluation.vector_scores import TASKS, VectorSettings, evaluate
from distil_jax.exporting import layout
from distil_jax.exporting.onnx_embedder import OnnxEmbedder
from distil_jax.exporting.onnx_folder import open_onnx

WORKER = Path(__file__).with_name("browser_worker.mjs")
GRAPHS = {name: f"{layout.FOLDER}/{layout.FILES[kind]}" for kind, name in layout.DTYPES.items()}
"""What the page opens, by its --dtype."""


class BrowserEmbedder:
    """A model that makes vectors in a browser."""

    def __init__(self, worker: subprocess.Popen[str], parameters: int):
        self.worker, self.parameters = worker, parameters
        self.prompts: dict[str, str] = {}
        self.milliseconds: list[float] = []
        self.width = len(self._embedded("width"))

    def __call__(
        self, texts: Sequence[str], *, prompt: str | None = None, progress: Progress = nothing
    ) -> Vectors:
        """One text at a time, in their order."""
        found = []
        for text in texts:
            found.append(self._embedded(text))
            progress(1)
        return np.asarray(found, np.float32).reshape(len(texts), self.width)

    def _embedded(self, text: str) -> list[float]:
        assert self.worker.stdin is not None
        self.worker.stdin.write(json.dumps([text]) + "\n")
        self.worker.stdin.flush()
        (vector,), milliseconds = _answer(self.worker)
        self.milliseconds.append(milliseconds)
        return vector


def _answer(worker: subprocess.Popen[str]):
    assert worker.stdout is not None
    line = worker.stdout.readline()
    if not line:
        raise UserError(f"the browser ended with status {worker.wait()}; what it says stands above")
    return json.loads(line)


@contextlib.contextmanager
def browser(model: Path, libraries: Path, dtype: str) -> Iterator[BrowserEmbedder]:
    """A page that has the model; raises `UserError` where there is none."""
    if not (model / GRAPHS[dtype]).is_file():
        raise UserError(
            f"{model} has no {GRAPHS[dtype]}, which the page opens for --dtype={dtype}; "
            "export with --format=onnx --pooling=graph --layout=transformers.js"
        )
    graph = OnnxEmbedder(open_onnx(model), str(model))
    if graph.prompts:
        raise UserError(f"{model} has prompts, which the page would leave out; use `evaluate`")
    if not shutil.which("node"):
        raise UserError("node is missing: install Node.js, and in --libraries what --help names")
    command = ["node", str(WORKER), str(libraries), str(model), dtype]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as worker:
        print(f"the page is isolated: {_answer(worker)['isolated']}", flush=True)
        yield BrowserEmbedder(worker, graph.parameters)


def main(arguments: Sequence[str]) -> None:
    flags = parser().parse_args(arguments)
    jax.config.update("jax_platforms", "cpu")
    settings = VectorSettings(
        model=f"{flags.model} in a browser, {flags.dtype}",
        task=flags.task,
        data=str(flags.data),
        output=flags.output,
    )
    with browser(flags.model, flags.libraries, flags.dtype) as embedder:
        evaluate(settings, lambda name, dtype: embedder)
        print(f"{statistics.median(embedder.milliseconds):.1f} ms a text, the median")


def parser() -> argparse.ArgumentParser:
    parser = commandline.Parser(prog="python benchmarks/browser.py", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("model", type=Path, help="the folder of the export")
    add("--libraries", required=True, type=Path, help="the folder that has node_modules")
    add("--dtype", choices=GRAPHS, default="q8", help="which of its graphs")
    add("--task", choices=TASKS, default="sts")
    add("--data", required=True, type=Path, help="folder of the task's files")
    add("--output", required=True, type=commandline.folder, help="folder of the scores")
    return parser


if __name__ == "__main__":
    commandline.run(main)
