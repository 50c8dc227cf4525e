"""Texts without labels for the second distillation of `embedding_tasks.py --unlabelled`.

    python benchmarks/embedding_unlabelled.py --data=DATA --texts=TEXTS --output=MORE

For RTE these are SICK's training pairs and some of MRPC's; for CoLA its training sentences, each
with a word moved, left out or repeated, and short ones of TEXTS. None is in CoLA's validation.
"""

import argparse
import json
import random
from pathlib import Path

from embedding_texts import read_rows

from distil_jax import commandline
from distil_jax.storage import atomic

COLUMNS = ("sentence1", "sentence2")
PAIRS = 6_000
SHORT_TEXTS, WORDS = 4_000, (4, 14)
"""How many of the study's texts, and their fewest and most words."""


def pairs(data: Path) -> list[dict]:
    """Two sentences each."""
    files = [data / name / "train.jsonl" for name in ("sts/sick", "glue/mrpc")]
    rows = [row for file in files for row in read_rows(file)]
    return [{column: row[column] for column in COLUMNS} for row in rows[:PAIRS]]


def sentences(data: Path, texts: Path) -> list[dict]:
    """Well-formed ones and damaged ones, mixed."""
    draw = random.Random(0)
    least, most = WORDS
    known = [row["sentence"].split() for row in read_rows(data / "glue/cola/train.jsonl")]
    damaged = [damage(words, draw) for words in known if len(words) >= least]
    every = [row["text"] for row in read_rows(texts)]
    short = [text for text in every if least <= len(text.split()) <= most]
    tested = {
        row["sentence"].strip().lower() for row in read_rows(data / "glue/cola/validation.jsonl")
    }
    chosen = [*damaged, *draw.sample(short, min(SHORT_TEXTS, len(short)))]
    kept = [text for text in chosen if text.lower() not in tested]
    draw.shuffle(kept)
    return [{"sentence": text} for text in kept]


def damage(words: list[str], draw: random.Random) -> str:
    """The sentence with two neighbours exchanged, a word left out, or one repeated elsewhere."""
    words = list(words)
    kind, place = draw.randrange(3), draw.randrange(len(words) - 1)
    if kind == 0:
        words[place], words[place + 1] = words[place + 1], words[place]
    elif kind == 1:
        del words[place]
    else:
        words.insert(draw.randrange(len(words)), words[place])
    return " ".join(words)


def main(arguments):
    flags = parser().parse_args(arguments)
    made = {"rte": pairs(flags.data), "cola": sentences(flags.data, flags.texts)}
    flags.output.mkdir(parents=True, exist_ok=True)
    for task, rows in made.items():
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        atomic.write_text(flags.output / f"{task}.jsonl", lines)
        print(f"{flags.output / task}.jsonl: {len(rows):,} texts")


def parser():
    parser = commandline.Parser(
        prog="python benchmarks/embedding_unlabelled.py", description=__doc__
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--data", required=True, type=Path, help="the study's corpora and tasks")
    add("--texts", required=True, type=Path, help="what the study's student learnt from")
    add("--output", required=True, type=commandline.folder, help="folder of TASK.jsonl")
    return parser


if __name__ == "__main__":
    commandline.run(main)
