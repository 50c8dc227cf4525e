"""A sentence teacher and its student, fine-tuned on tasks of GLUE: what the student keeps.

    python benchmarks/embedding_tasks.py --teacher=MPNET --student=STUDY/states/student \\
        --tasks=GLUE --output=DIR

STUDY is what `embedding_study.py` made, its student there one that learnt every token's state;
GLUE has one folder for each task with train and validation files. The cheapest task comes first:
the teacher, the student, and the student again with the fine-tuned teacher's soft targets. What is
finished is kept; the same command resumes it. At any time DIR/study.json and study.md hold what
there is; WNLI, where the commonest answer wins, is not in their mean.
"""

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
from study_programs import Job, Programs, run_to_end
from study_sizes import Task
from study_table import write_tables
from study_tasks import TaskFiles, add_flags, best_model, fine_tune

from distil_jax import commandline
from distil_jax.errors import UserError
from distil_jax.pretrained import load

TASKS = (
    Task("wnli", epochs=3, seeds=3),
    Task("rte", epochs=3, seeds=3),
    Task("mrpc", epochs=3, seeds=3),
    Task("stsb", epochs=3, seeds=3),
    Task("sst2", epochs=3, seeds=3, rows=6_735),
    Task("cola", epochs=3, seeds=3),
)
"""By their steps, the fewest first: on a CPU a base-size model's optimizer costs as much as short
rows. Of SST-2 a tenth."""
NOT_AVERAGED = {"wnli"}
WITHOUT_DROPOUT = {"learning_rate": "1e-4", "dropout": 0.0}
SECOND = {"mrpc": WITHOUT_DROPOUT, "cola": WITHOUT_DROPOUT}
"""The second distillation, where this was better by the validation rows; the others' is as their
fine-tuning."""


class Tasks:
    """The folder of the fine-tunings and the jobs that fill it."""

    def __init__(self, flags):
        self.flags, self.output = flags, flags.output
        load(flags.student)  # a mistyped one is refused now, not after hours
        # Of a student that was distilled without any, its folder says 0.
        self.dropout = load(flags.teacher).config.dropout
        self.programs = Programs(flags.output / "hours.jsonl", several=flags.jobs > 1)
        self.files = TaskFiles(flags.tasks, flags.output / "tasks")
        tasks = [replace(task, rows=flags.rows or task.rows) for task in TASKS]
        self.chosen = self.files.choose(tasks, flags.leave_out)
        files = [f"{task.name}.jsonl" for task in self.chosen]
        if flags.unlabelled and not any((flags.unlabelled / file).is_file() for file in files):
            raise UserError(f"--unlabelled={flags.unlabelled} has none of {', '.join(files)}")
        flags.output.mkdir(parents=True, exist_ok=True)

    def jobs(self):
        """Each task's teacher, student and student distilled twice."""
        return [job for task in self.chosen for job in self.of_task(task)]

    def of_task(self, task):
        teacher, student = f"teacher on {task.name}", f"student on {task.name}"
        again = f"student, distilled twice, on {task.name}"
        return [
            Job(teacher, partial(self.fine_tune, "teacher", task, self.flags.teacher)),
            Job(student, partial(self.fine_tune, "student", task, self.flags.student)),
            Job(again, partial(self.distil_again, task), (teacher,)),
        ]

    def distil_again(self, task):
        teacher = best_model(self.output / "scores/teacher", task)
        more = self.flags.unlabelled and self.flags.unlabelled / f"{task.name}.jsonl"
        given = {"unlabelled": more} if more and more.is_file() else {}
        given |= {"targets": self.output / "targets" / task.name, **SECOND.get(task.name, {})}
        self.fine_tune("student-second", task, self.flags.student, teacher=teacher, **given)

    def fine_tune(self, name, task, model, learning_rate=None, **more):
        task = replace(task, learning_rate=learning_rate or task.learning_rate)
        given = {"seeds": self.flags.seeds or task.seeds, "dtype": "auto", "dropout": self.dropout}
        output = self.output / "scores" / name
        fine_tune(self.programs, self.files, task, output, model=model, **given | more)


def main(arguments):
    flags = parser().parse_args(arguments)
    # The accelerator is for the programs; here models are only looked at.
    jax.config.update("jax_platforms", "cpu")
    tasks = Tasks(flags)
    after_each = partial(write_tables, flags.output, NOT_AVERAGED)
    run_to_end(tasks.programs, tasks.jobs(), after_each, lanes=flags.jobs)


def parser():
    parser = commandline.Parser(prog="python benchmarks/embedding_tasks.py", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--teacher", required=True, help="folder of sentence-transformers")
    add("--student", required=True, help="the folder that its distillation left")
    rows = "training rows of every task, evenly spread; without, all (of SST-2 a tenth)"
    more = "folder of TASK.jsonl, further texts that the fine-tuned teacher judges"
    add("--unlabelled", type=Path, help=more)
    add("--rows", type=commandline.positive, help=rows)
    add_flags(parser)
    return parser


if __name__ == "__main__":
    commandline.run(main)
