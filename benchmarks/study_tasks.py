"""The files of a study's tasks."""

import json
import lzma
from pathlib import Path

from distil_jax import commandline
from distil_jax.errors import UsageError, UserError
from distil_jax.storage import atomic

KINDS = (".jsonl", ".jsonl.xz", ".json", ".json.xz")
"""JSON lines, or SQuAD's JSON."""
HELD_OUT = {"imdb": "test"}
"""The split that scores a task, where it is not its validation."""


def held_out_split(task):
    return HELD_OUT.get(task.name, "validation")


def evenly_spread(rows, count):
    """So many of the rows, or all."""
    count = min(count, len(rows))
    return [rows[place * len(rows) // count] for place in range(count)]


class TaskFiles:
    """Where each task lies, and the shares of its rows that a study made in `generated`."""

    def __init__(self, folders, generated):
        self.folders, self.generated = folders, generated

    def folder(self, task):
        """The first folder that has it."""
        present = [folder / task for folder in self.folders if (folder / task).is_dir()]
        return next(iter(present), self.folders[0] / task)

    def file(self, task, split):
        files = [self.folder(task) / f"{split}{kind}" for kind in KINDS]
        return next(filter(Path.is_file, files), None)

    def choose(self, known, left_out):
        """The known tasks that are not left out, all with their files."""
        names = [task.name for task in known]
        for name in left_out:
            if name not in names:
                raise UsageError(f"--leave-out={name} is none of the tasks: {', '.join(names)}")
        tasks = tuple(task for task in known if task.name not in left_out)
        if not tasks:
            raise UsageError(f"--leave-out of all tasks; keep one of {', '.join(names)}")
        lacking = [
            (task.name, f"{task.name}/{split}.jsonl")
            for task in tasks
            for split in ("train", held_out_split(task))
            if not self.file(task.name, split)
        ]
        if lacking:
            given = " ".join(f"--tasks={folder}" for folder in self.folders)
            out = " ".join(f"--leave-out={name}" for name in dict(lacking))
            raise UserError(
                f"{given} lacks {', '.join(file for _, file in lacking)}; each task "
                f"is a folder there with these files (JSON lines or SQuAD's JSON, "
                f".xz or not): name a second --tasks that has them, or do without: {out}"
            )
        return tasks

    def part(self, task, split, rows):
        """A file with so many rows of a split, evenly spread; 0: all of them."""
        source = self.file(task, split)
        if not rows:
            return source
        version = source.stat().st_size
        name = task if split == "train" else f"{task}-{split}"
        target = self.generated / f"{name}-{rows}-of-{version}.jsonl"
        if not target.is_file():
            opener = lzma.open if source.suffix == ".xz" else open
            with opener(source, "rb") as file:
                lines = list(file)
            target.parent.mkdir(exist_ok=True)
            # Whole or not at all: other programs of the study may read it already.
            atomic.write_bytes(target, b"".join(evenly_spread(lines, rows)))
        return target


def add_flags(parser):
    """The flags of whatever fine-tunes on tasks."""
    add = parser.add_argument
    tasks = "folder of the tasks' folders; repeat it where they lie in several"
    add("--tasks", required=True, type=Path, action="append", help=tasks)
    skipped = "a task that is not done, such as rte; may be repeated"
    add("--leave-out", default=[], action="append", metavar="TASK", help=skipped)
    add("--output", required=True, type=commandline.folder, help="folder of all that is made")
    add("--seeds", type=commandline.positive, help="of fine-tuning, in place of each task's own")
    jobs = "programs at the same time, each on its share of the cores and with a .log of its own"
    add("--jobs", type=commandline.positive, default=1, help=jobs)


def fine_tune(programs, files, task, output, *, model, seeds, dtype, **more):
    """Fine-tune a model on a task of a size, and score it; OUTPUT/TASK has what came out."""
    programs.command(
        "evaluate",
        model=model,
        task=task.name,
        data=files.folder(task.name),
        train=files.part(task.name, "train", task.rows),
        seeds=seeds,
        epochs=task.epochs,
        learning_rate=task.learning_rate,
        models="best",
        dtype=dtype,
        output=output / task.name,
        **more,
    )


def best_model(output, task):
    """The folder of the best seed's model that `fine_tune` left."""
    folder = output / task.name
    return folder / json.loads((folder / "results.json").read_text())["best_model"]
