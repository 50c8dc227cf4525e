"""Texts without labels for the second distillation of `embedding_tasks.py --unlabelled`.

    python benchmarks/embedding_unlabelled.py --data=DATA --texts=TEXTS --output=MORE

For tasks of two sentences these are the pairs of other such tasks' training rows; for CoLA its
training sentences, each with a word moved, left out or repeated, and short ones of TEXTS; for
SST-2 training rows whose labels the study leaves out. No text that scores the task is among them.
"""

import argparse
import json
import random
from pathlib import Path

from embedding_tasks import TASKS as STUDIED
from embedding_texts import TASKS, key_of, read_rows, rows_of, tested
from study_tasks import evenly_spread

from distil_jax import commandline
from distil_jax.storage import atomic

PAIRS = {
    "rte": ("sick", "mrpc"),
    "mrpc": ("stsb",),
    "stsb": ("sick", "mrpc"),
}
"""Whose training pairs a task's fine-tuned teacher judges, besides the task's own."""
MOST_PAIRS = {"rte": 6_000}
PHRASES = 12_000
"""How many of SST-2's, each of so many words as a short text at least."""
DAMAGED = 1
"""How many are made of each of CoLA's sentences."""
SHORT_TEXTS, WORDS = 4_000, (4, 14)
"""How many of the study's texts, and their fewest and most words."""


def pairs(data: Path, task: str) -> list[dict]:
    """Two sentences each."""
    columns = TASKS[task][1]
    rows = [row for name in PAIRS[task] for row in rows_of(data, name, "train")]
    found = [{column: row[column] for column in columns} for row in rows]
    scored = tested(data, task)
    kept = [row for row in found if scored.isdisjoint(map(key_of, row.values()))]
    return kept[: MOST_PAIRS.get(task)]


def phrases(data: Path) -> list[dict]:
    """Training rows of SST-2 that the study learns no label of."""
    texts = [row["sentence"] for row in rows_of(data, "sst2", "train")]
    (labelled,) = (task.rows for task in STUDIED if task.name == "sst2")
    known = set(map(key_of, evenly_spread(texts, labelled))) | tested(data, "sst2")
    long = {key_of(text): text for text in texts if len(text.split()) >= WORDS[0]}
    rest = [text for key, text in long.items() if key not in known]
    chosen = random.Random(0).sample(rest, min(PHRASES, len(rest)))
    return [{"sentence": text} for text in chosen]


def sentences(data: Path, texts: Path) -> list[dict]:
    """Well-formed ones and damaged ones, mixed."""
    draw = random.Random(0)
    least, most = WORDS
    known = [row["sentence"].split() for row in rows_of(data, "cola", "train")]
    long = [words for words in known if len(words) >= least]
    damaged = [damage(words, draw) for words in long for _ in range(DAMAGED)]
    every = [row["text"] for row in read_rows(texts)]
    short = [text for text in every if least <= len(text.split()) <= most]
    scored = {row["sentence"].strip().lower() for row in rows_of(data, "cola", "validation")}
    chosen = [*damaged, *draw.sample(short, min(SHORT_TEXTS, len(short)))]
    kept = [text for text in chosen if text.lower() not in scored]
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
    made = {task: pairs(flags.data, task) for task in PAIRS}
    made |= {"sst2": phrases(flags.data), "cola": sentences(flags.data, flags.texts)}
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
