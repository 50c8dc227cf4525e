"""Fill the masks of a text, by a model alone or by teacher and student side by side."""

import argparse
import io
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from distil_jax import commandline, environment
from distil_jax.errors import UsageError, UserError
from distil_jax.notes import note

if TYPE_CHECKING:
    from rich.table import Table

    from distil_jax.pretrained.fill import Candidate, Filled

BAR_WIDTH = 14
AGREED = "="


def main(arguments: list[str]) -> None:
    """Parse the flags, load the models, and print what each fills in."""
    flags = parser().parse_args(arguments)
    texts = [_valid(text) for text in flags.text] or _lines_from_stdin()
    if "numpy" not in sys.modules:
        # A text's few tokens are no work for several threads, which wait for each other busily.
        environment.set_default("OPENBLAS_NUM_THREADS", "1")
    from distil_jax.exporting.onnx_fill import mask_fillers

    if flags.teacher:
        _note_tokenizers(flags.teacher, flags.model)
    named = {"teacher": flags.teacher, "model": flags.model}
    folders = {role: folder for role, folder in named.items() if folder}
    fillers = mask_fillers(folders, count=flags.top, before_compiling=_keep_compiled)
    show = _print_json if flags.json else _print_tables
    for text in texts:
        show(text, _filled(fillers, text))


def _keep_compiled() -> None:
    from distil_jax.run.compilation import keep_compiled

    keep_compiled()


def _note_tokenizers(teacher: str, model: str) -> None:
    """Say so where the two have other tokens, which are compared as they are written."""
    from distil_jax import tokenizer

    first, second = (tokenizer.load_plain(_tokenizer_folder(name)) for name in (teacher, model))
    if differs := tokenizer.difference(first, second):
        note(f"{teacher} and {model} have other tokenizers: {differs}")


def _tokenizer_folder(name: str) -> Path:
    from distil_jax.exporting.layout import graph_file, is_onnx, model_folder
    from distil_jax.pretrained.location import locate
    from distil_jax.tokenizer import resolve

    return model_folder(graph_file(resolve(name))) if is_onnx(name) else locate(name)


def _filled(fillers: Mapping[str, Callable[[str], "Filled"]], text: str) -> dict[str, "Filled"]:
    return {role: fill(text) for role, fill in fillers.items()}


def _valid(argument: str) -> str:
    """An argument whose bytes are not UTF-8 reaches Python with surrogates in their place."""
    return argument.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _lines_from_stdin() -> list[str]:
    if sys.stdin.isatty():
        raise UsageError("no text given; add one, or send lines to standard input")
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")
    lines = [line.strip() for line in sys.stdin if line.strip()]
    if not lines:
        raise UserError("standard input is empty; send one text per line, each with a mask token")
    return lines


def _print_json(text: str, filled: Mapping[str, "Filled"]) -> None:
    from distil_jax.pretrained.fill import agreement

    answers: dict[str, object] = {role: _plain(answer) for role, answer in filled.items()}
    if "teacher" in filled:
        answers["agreement"] = [asdict(mask) for mask in agreement(**filled)]
    print(json.dumps({"text": text, **answers}, ensure_ascii=False))


def _plain(answer: "Filled") -> dict[str, object]:
    masks = [
        [{"token": each.token, "probability": each.probability} for each in mask]
        for mask in answer.masks
    ]
    return {"masks": masks, "milliseconds": answer.milliseconds}


def _print_tables(text: str, filled: Mapping[str, "Filled"]) -> None:
    from rich.console import Console

    console = Console()
    console.print(text, markup=False, highlight=False)
    masks = [answer.masks for answer in filled.values()]
    for number in range(max(map(len, masks))):
        columns = [answer[number] if number < len(answer) else () for answer in masks]
        console.print(_table(filled, columns))


def _table(filled: Mapping[str, "Filled"], columns: Iterable[tuple["Candidate", ...]]) -> "Table":
    """One mask: a column per model, a line per candidate, a mark at those that both have."""
    from rich.table import Table
    from rich.text import Text

    columns = list(columns)
    shared = set.intersection(*({candidate.piece for candidate in column} for column in columns))
    marked = shared if len(columns) > 1 else set()
    table = Table(box=None, pad_edge=False)
    for role, answer in filled.items():
        shared_count = f", {len(marked)} shared" if role == "model" and len(columns) > 1 else ""
        table.add_column(f"{role} ({answer.milliseconds:.1f} ms){shared_count}", no_wrap=True)
    for line in zip_longest(*columns):
        table.add_row(*(Text(_bar(each, each.piece in marked)) if each else "" for each in line))
    return table


def _bar(candidate: "Candidate", marked: bool) -> str:
    """Mark, token, probability and a bar, narrow enough for two in eighty columns."""
    bar = "█" * max(1, round(candidate.probability * BAR_WIDTH))
    mark = AGREED if marked else " "
    return f"{mark} {candidate.token[:13]:<13} {candidate.probability:6.1%} {bar}"


def parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = commandline.Parser(prog="python -m distil_jax.fill_mask", description=__doc__)
    add = parser.add_argument
    add("--model", required=True, help="model folder, ONNX folder, hub id or builtin:teacher")
    add("--teacher", help="a second model to set beside it")
    add("--top", type=commandline.positive, default=5, help="candidates for each mask")
    add("--json", action="store_true", help="one JSON object per text instead of tables")
    add("text", nargs="*", help="texts with a mask token; lines of standard input if none")
    return parser


if __name__ == "__main__":
    commandline.run(main)
