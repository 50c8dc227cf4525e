"""Measure: a student's speed and size beside its teacher's, on your sentences."""

import argparse
import json
from pathlib import Path

from distil_jax import commandline


def main(arguments: list[str]) -> None:
    """Parse the flags, load the models, and print and write what was measured."""
    flags = _parser().parse_args(arguments)
    from distil_jax.edge.onnx_folder import is_onnx, open_onnx
    from distil_jax.pretrained import load
    from distil_jax.run.compilation import keep_compiled
    from distil_jax.sizing import sentences, speed
    from distil_jax.training.workdir import write_text, writing

    found = sentences.read(flags.input, most=flags.sentences)
    names = {"student": flags.model, "teacher": flags.teacher}
    names |= {f"export {Path(name).name}": name for name in flags.export}
    models = {
        role: (name, open_onnx(name) if is_onnx(name) else load(name))
        for role, name in names.items()
        if name
    }
    keep_compiled()
    measured = speed.measure(models, found, rounds=flags.rounds, length=flags.length)
    text = json.dumps(measured, indent=2) + "\n"
    if flags.output:
        with writing(flags.output):
            flags.output.mkdir(parents=True, exist_ok=True)
            write_text(flags.output / "speed.json", text)
    if flags.table:
        from rich.console import Console

        from distil_jax.report import table

        Console(highlight=False).print(table.speeds({role: measured[role] for role in models}))
    else:
        print(text, end="")


def _parser() -> argparse.ArgumentParser:
    parser = commandline.Parser(prog="python -m distil_jax.benchmark", description=__doc__)
    add = parser.add_argument
    add(
        "--model",
        required=True,
        help="the student: model or ONNX folder, hub id or builtin:teacher",
    )
    add("--teacher", help="the model it is compared with")
    add("--export", action="append", default=[], help="an ONNX folder beside them; repeatable")
    add("--input", required=True, type=Path, help="sentences or pairs: .txt, .jsonl, .csv, .tsv")
    add("--output", type=commandline.folder, help="a folder for speed.json")
    add(
        "--sentences",
        type=commandline.positive,
        default=200,
        help="how many of the input's first are used",
    )
    add(
        "--rounds", type=commandline.positive, default=5, help="passes over them; the median counts"
    )
    add("--length", type=commandline.positive, default=128, help="tokens beyond it are cut")
    add("--table", action="store_true", help="a table of sizes and speeds instead of the JSON")
    return parser


if __name__ == "__main__":
    commandline.run(main)
