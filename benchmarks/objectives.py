"""Every recipe of distillation from one teacher, at equal tokens and at equal FLOPs.

    python benchmarks/objectives.py --size=short --text=TEXT --tasks=TASKS --output=DIR

From one teacher of six layers (the embedded one, or --teacher), students of two shapes are
distilled by DistilBERT's three losses, masked LM alone, MiniLMv2, TinyBERT (with its stage of the
task), PKD and hidden MSE, all from the same first weights and with the same rate, then scored on
tasks. TEXT is what `prepare` reads (documents are blocks of lines; a share is held out); TASKS has
one folder for each task with train and validation files. Each step is one of the package's
commands; what is finished is kept, and the same command resumes. DIR/objectives.md and
objectives.json hold what there is after each program; `objectives_recipes.py` says what is done.
"""

import argparse
import functools
import itertools
from pathlib import Path

import jax
from objectives_recipes import HEADS, OBJECTIVES, RECIPES, SHAPES, SIZES, TEACHER_LAYERS
from objectives_table import write_tables
from study_programs import Job, Programs, run_to_end
from study_tasks import TaskFiles, best_model, fine_tune

from distil_jax import commandline
from distil_jax.configuration import source as config_source
from distil_jax.errors import UserError
from distil_jax.models import choose_layers
from distil_jax.planning.flops import config_flops
from distil_jax.pretrained import load
from distil_jax.training.student import student_of

OFF = dict.fromkeys(("soft_target", "masked_lm", "cosine", *OBJECTIVES), 0.0)
HELD_OUT = 0.03


class Comparison:
    """The folder of a comparison and the jobs that fill it."""

    def __init__(self, flags):
        self.size, self.output, self.teacher = SIZES[flags.size], flags.output, flags.teacher
        self.shape = load(flags.teacher, require_head="masked_lm").config
        check_teacher(flags.teacher, self.shape)
        self.text, self.rows = flags.text, flags.output / "rows"
        self.programs = Programs(flags.output / "hours.jsonl")
        self.files = TaskFiles(flags.tasks, flags.output / "tasks")
        self.tasks = self.files.choose(self.size.tasks, flags.leave_out)
        # The table, which is written after each job, asks for every student's.
        self.flops = functools.cache(self._flops)
        flags.output.mkdir(parents=True, exist_ok=True)

    def jobs(self):
        """Rows; the students of a shape and their first task; then the other tasks."""
        students = [
            (shape, budget, name)
            for budget in self.size.budgets
            for shape in SHAPES
            for name in RECIPES
            if budget == "tokens" or self.steps(shape, budget, name) != self.size.steps
        ]
        jobs, (first, *others) = [Job("rows", self.prepare)], self.tasks
        for _, group in itertools.groupby(students, key=lambda one: one[:2]):
            alike = list(group)
            jobs += [
                Job(id_of(*one), lambda one=one: self.distil(*one), ("rows",)) for one in alike
            ]
            jobs += self.scores(first, alike)
        jobs += [job for task in others for job in self.scores(task, students)]
        return list({job.name: job for job in jobs}.values())

    def scores(self, task, students):
        """The teacher and these students on a task."""
        teacher = f"teacher on {task.name}"
        return [
            Job(teacher, lambda: self.fine_tune("teacher", task)),
            *(
                Job(
                    f"{id_of(*one)} on {task.name}",
                    lambda one=one: self.score(*one, task),
                    (id_of(*one), teacher),
                )
                for one in students
            ),
        ]

    def prepare(self):
        if not (self.rows / "manifest.json").is_file():
            self.programs.command(
                "prepare",
                input=self.text,
                document="block",
                tokenizer=self.teacher,
                length=self.size.length,
                heldout=HELD_OUT,
                output=self.rows,
            )

    def changes(self, shape, name, steps):
        """The config's keys of one run."""
        recipe = RECIPES[name]
        narrow = shape == "narrow" and recipe.narrow
        weights = {**OFF, **(narrow or recipe.weights)}
        return {
            "teacher": self.teacher,
            "data.train": self.rows,
            "batch.length": self.size.length,
            "batch.size": self.size.batch,
            "total_steps": steps,
            "eval.every_steps": steps,
            "checkpoint.every_steps": steps,
            "optimizer.learning_rate": self.size.learning_rate,
            "precision.compute": self.size.compute,
            "precision.teacher": self.size.compute,
            "log.tensorboard": False,
            **SHAPES[shape],
            **{f"loss.{key}": weight for key, weight in weights.items()},
            **{f"loss.options.{key}": value for key, value in recipe.options.items()},
        }

    def _flops(self, shape, name):
        """FLOPs of a token."""
        changes = self.changes(shape, name, 1)
        overrides = [f"--config.{key}={value}" for key, value in changes.items()]
        config = config_source.read("quickstart", overrides)
        teacher = self.shape
        student = student_of(config, teacher, choose_layers(teacher.layers, config.student.layers))
        return config_flops(config, teacher, student, length=self.size.length).total

    def steps(self, shape, budget, name):
        """Those of the first recipe's tokens, or of its FLOPs."""
        if budget == "tokens":
            return self.size.steps
        share = self.flops(shape, "distilbert") / self.flops(shape, name)
        return round(self.size.steps * share)

    def distil(self, shape, budget, name):
        steps = self.steps(shape, budget, name)
        workdir = self.output / "runs" / id_of(shape, budget, name)
        changes = self.changes(shape, name, steps)
        self.programs.command("main", config="quickstart", workdir=workdir, overrides=changes)

    def score(self, shape, budget, name, task):
        """Fine-tune a student, where its recipe has a stage of the task after that stage."""
        student, recipe = id_of(shape, budget, name), RECIPES[name]
        model = self.output / "runs" / student / "student"
        if not recipe.task:
            self.fine_tune(student, task, model)
            return
        teacher = best_model(self.output / "scores/teacher", task)
        weights = ",".join(f"{key}={value}" for key, value in recipe.task.items())
        stage = f"{student}-stage-1"
        options = [f"{key}={value}" for key, value in recipe.options.items()]
        self.fine_tune(
            stage, task, model, teacher=teacher, objectives=weights, option=options, task_weight=0
        )
        self.fine_tune(
            student,
            task,
            best_model(self.output / "scores" / stage, task),
            teacher=teacher,
            alpha=1,
            temperature=1,
        )

    def fine_tune(self, name, task, model=None, **more):
        size, output = self.size, self.output / "scores" / name
        more |= {"seeds": size.seeds, "length": size.length, "dtype": size.compute}
        model = model or self.teacher
        fine_tune(self.programs, self.files, task, output, model=model, **more)


def check_teacher(name, shape):
    """Refuse one that the recipes' maps of layers or the narrow student's heads do not fit."""
    if (shape.layers, shape.heads) != (TEACHER_LAYERS, HEADS):
        raise UserError(
            f"--teacher={name} has {shape.layers} layers of {shape.heads} heads; the recipes are "
            f"for {TEACHER_LAYERS} layers of {HEADS}: name such a one, or builtin:teacher"
        )


def id_of(shape, budget, name):
    """A student's name."""
    return f"{name}-{shape}-{budget}"


def main(arguments):
    flags = parser().parse_args(arguments)
    # The accelerator is for the programs; here models are only looked at.
    jax.config.update("jax_platforms", "cpu")
    comparison = Comparison(flags)
    run_to_end(comparison.programs, comparison.jobs(), lambda: write_tables(comparison))


def parser():
    parser = commandline.Parser(prog="python benchmarks/objectives.py", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--size", required=True, choices=SIZES, help="how much is done")
    add(
        "--teacher",
        default="builtin:teacher",
        help="of six layers of eight heads, with a masked-LM head",
    )
    add("--text", required=True, help="what is distilled on, as `prepare` reads it")
    add("--tasks", required=True, type=Path, action="append", help="folder of the tasks' folders")
    add("--leave-out", default=[], action="append", metavar="TASK", help="a task not done")
    add("--output", required=True, type=commandline.folder, help="folder of the results")
    return parser


if __name__ == "__main__":
    commandline.run(main)
