"""Measure here: the training speed of a config, a student's inference beside its teacher's."""

import argparse
import contextlib
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distil_jax import commandline, huge_pages
from distil_jax.errors import UsageError

TRAINING = "training"
"""Where speed.json has the figures of --config; all else is of --model, and of one measurement."""


def main(arguments: list[str]) -> None:
    """Parse the flags, measure what they ask for, and print and write it."""
    flags, overrides = parser().parse_with_keys(arguments)
    from distil_jax.configuration import source as config_source

    if not (flags.model or flags.config):
        raise UsageError("nothing to measure; give --config=NAME, or --model and --input, or both")
    if flags.model and not flags.input:
        raise UsageError("--model needs sentences: give --input=FILE (.txt, .jsonl, .csv, .tsv)")
    if not flags.model and (flags.teacher or flags.export or flags.input):
        raise UsageError("--teacher, --export and --input are measured beside --model; give it")
    if overrides and not flags.config:
        parser().error(f"unrecognized arguments: {' '.join(overrides)}")
    notes = sys.stderr if flags.json else None
    config = config_source.read(flags.config, overrides, notes=notes) if flags.config else None

    from distil_jax.profiling import benchmark_text
    from distil_jax.report.measurements import SPEED, earlier_speed
    from distil_jax.run.compilation import keep_compiled
    from distil_jax.storage.atomic import write_text, writing

    content = earlier_speed(flags.output) if flags.output else {}
    keep_compiled()
    if config is not None:
        content |= {TRAINING: _training(config, flags)}
    if flags.model:
        trained = {key: value for key, value in content.items() if key == TRAINING}
        content = trained | _inference(flags)
    if flags.output:
        with writing(flags.output):
            flags.output.mkdir(parents=True, exist_ok=True)
            write_text(flags.output / SPEED, json.dumps(content, indent=2) + "\n")
    print(json.dumps(content, indent=2) if flags.json else "\n".join(benchmark_text.lines(content)))


def _training(config: Any, flags: argparse.Namespace) -> dict[str, Any]:
    from distil_jax.run import training_speed

    # With --json, standard output is the figures' alone: what prepares text speaks of it.
    says = contextlib.redirect_stdout(sys.stderr) if flags.json else contextlib.nullcontext()
    with says, tempfile.TemporaryDirectory() as folder:
        return training_speed.measure_training(config, Path(folder) / "rows", steps=flags.steps)


def _inference(flags: argparse.Namespace) -> dict[str, Any]:
    from distil_jax.profiling import inference, sentences

    read = sentences.read(flags.input, most=flags.sentences)
    names = {"student": flags.model, "teacher": flags.teacher}
    names |= _exports(flags.export)
    models = {role: (name, _opened(name)) for role, name in names.items() if name}
    return inference.measure_inference(models, read, rounds=flags.rounds, length=flags.length)


def _opened(name: str) -> Any:
    from distil_jax.exporting.layout import is_onnx
    from distil_jax.exporting.onnx_folder import open_onnx
    from distil_jax.exporting.subject import of_static
    from distil_jax.pretrained import load, locate
    from distil_jax.pretrained.static_model import is_static, load_static

    if is_onnx(name):
        return open_onnx(name)
    folder = locate(name, inner=True)
    return of_static(load_static(folder)).model if is_static(folder) else load(name)


def _exports(folders: Sequence[str]) -> dict[str, str]:
    """Each with its folder's name, or where those repeat with all of its path."""
    last = [Path(folder).name for folder in folders]
    return {
        f"export {name if last.count(name) == 1 else folder}": folder
        for name, folder in zip(last, folders, strict=True)
    }


def parser() -> commandline.Parser:
    """The flags."""
    parser = commandline.Parser(prog="python -m distil_jax.benchmark", description=__doc__)
    add = parser.add_argument
    add("--config", help="training: a config file or a shipped one, with any --config.KEY=VALUE")
    add("--steps", type=commandline.positive, default=20, help="training steps that are timed")
    add("--model", help="inference: model or ONNX folder, hub id or builtin:teacher")
    add("--teacher", help="the model it is compared with")
    add("--export", action="append", default=[], help="an ONNX folder beside them; repeatable")
    add("--input", type=Path, help="sentences or pairs: .txt, .jsonl, .csv, .tsv")
    add("--output", type=commandline.folder, help="a folder for speed.json, which reports read")
    add("--json", action="store_true", help="print all figures as one JSON object")
    add(
        "--sentences",
        type=commandline.positive,
        default=200,
        help="how many of the input's first are used",
    )
    add(
        "--rounds", type=commandline.positive, default=5, help="passes over them; the median counts"
    )
    add("--length", type=commandline.length, default=128, help="tokens beyond it are cut")
    return parser


if __name__ == "__main__":
    huge_pages.prefer()
    commandline.run(main)
