"""What a study does: its steps, each a few programs with what they are given."""

from pathlib import Path

from study_programs import Job
from study_sizes import SIZES
from study_tasks import TaskFiles, best_model, fine_tune, held_out_split

from distil_jax.configuration import source as config_source
from distil_jax.planning.flops import training_flops
from distil_jax.pretrained import load
from distil_jax.run.variants import variants

HERE = Path(__file__).parent
WITHOUT_TEACHER = {"loss.soft_target": 0.0, "loss.cosine": 0.0}
SCRATCH = {**WITHOUT_TEACHER, "student.initialize": "random"}
TOKEN_TYPES = {
    "unfolded": {"student.fold_token_types": False},
    "kept": {"student.keep_token_types": True},
}
MASKED_SHARE = 0.15
STEPS = (
    "rows",
    "teacher",
    "student",
    "cut",
    "scores",
    "second",
    "scratch",
    "equal-flops",
    "baseline-scores",
    "ablations",
    "ablation-scores",
    "speed",
)


class Study:
    """The folder of a study and the steps that fill it."""

    def __init__(self, flags, programs):
        self.flags, self.size, self.output = flags, SIZES[flags.size], flags.output
        self.programs = programs
        self.rows = flags.rows or self.output / "rows"
        self.files = TaskFiles(flags.tasks, self.output / "tasks")
        self.tasks = self.files.choose(self.size.tasks, flags.leave_out)
        self.is_teacher = load(flags.model).head == "masked_lm"
        self.output.mkdir(parents=True, exist_ok=True)

    def steps(self):
        """What is done, in the order of its worth: each step's jobs."""
        rows = Job("rows", self.prepare, alone=True)
        teacher = Job("teacher", self.train_teacher, ("rows",), alone=True)
        return {
            "rows": [rows],
            "teacher": [teacher],
            "student": [self.distillation("student", {})],
            "cut": [self.distillation("cut", WITHOUT_TEACHER)],
            "scores": self.scores("teacher", "student", "cut"),
            "second": [self.second(task) for task in self.tasks if task.name in self.size.second],
            "scratch": [self.distillation("scratch", SCRATCH)],
            "equal-flops": [Job("cut-flops", self.distil_equal_flops, ("student",))],
            "baseline-scores": self.scores("scratch", "cut-flops"),
            "ablations": [Job("ablations", self.ablate, ("teacher",)), *self.token_types()],
            "ablation-scores": self.ablation_scores(),
            "speed": [Job("speed", self.time_models, ("student",), alone=True)],
        }

    def distillation(self, name, changes):
        return Job(name, lambda: self.distil(name, changes), ("teacher",))

    def scores(self, *names):
        """Fine-tune these models on every task."""
        return [
            Job(
                f"{name} on {task.name}",
                lambda name=name, task=task: self.fine_tune(name, task, self.model(name)),
                (name,),
            )
            for task in self.tasks
            for name in names
        ]

    def second(self, task):
        return Job(
            f"student-second on {task.name}",
            lambda: self.distil_again(task),
            (f"teacher on {task.name}", f"student on {task.name}"),
        )

    def token_types(self):
        """Two other ways with token types."""
        return [
            Job(name, lambda name=name, change=change: self.vary(name, change), ("teacher",))
            for name, change in TOKEN_TYPES.items()
        ]

    def ablation_scores(self):
        """Fine-tune the first student of every short run."""
        runs = self.output / "ablations" / "runs"
        students = {name: runs / name / "seed_0" / "student" for name in self.variants()}
        needs = dict.fromkeys(students, "ablations")
        students |= {name: self.model(name) for name in TOKEN_TYPES}
        return [
            Job(
                f"{name} on {task.name}",
                lambda name=name, student=student, task=task: self.fine_tune(
                    f"ablations/{name}", task, student
                ),
                (needs.get(name, name),),
            )
            for task in self.size.ablated
            if task.name not in self.flags.leave_out
            for name, student in students.items()
        ]

    def variants(self):
        """The folders of the ablations' runs."""
        changes = [f"--config.{key}={value}" for key, value in self.variation().items()]
        layers = load(self.flags.model).config.layers
        compared = variants(config_source.read("distilbert", changes), layers, None)
        return [variant.folder for variant in compared]

    def model(self, name):
        """What is scored under this name: the folder that its run left."""
        if name == "teacher" and self.is_teacher:
            return self.flags.model
        return self.output / name / "student"

    def prepare(self):
        if not (self.rows / "manifest.json").is_file():
            self.programs.command(
                "prepare",
                input=self.flags.text,
                document="block",
                tokenizer=self.flags.model,
                length=128,
                output=self.rows,
            )

    def train_teacher(self):
        """The encoder with a first head, then masked LM alone; or the model, if it has one."""
        if self.is_teacher:
            self.held_out("teacher")
            return
        start = self.output / "teacher-start"
        if not start.is_dir():
            script = HERE / "warm_start.py"
            self.programs.call(script, model=self.flags.model, rows=self.rows, output=start)
        self.run(
            "teacher",
            "pretrain_builtin_teacher",
            {
                "tokenizer": start,
                "student.folder": start,
                "optimizer.learning_rate": self.size.teacher_learning_rate,
            },
            self.size.teacher_steps,
        )
        self.held_out("teacher")

    def distil(self, name, changes, steps=None):
        self.run(name, "distilbert", {**self.recipe(), **changes}, steps or self.size.steps)
        self.held_out(name)

    def recipe(self):
        """The paper's, with half the layers of this teacher."""
        return {
            "teacher": self.model("teacher"),
            "student.layers": "every_other",
            "student.dropout": self.size.dropout,
            "student.attention_dropout": self.size.dropout,
            "optimizer.learning_rate": self.size.learning_rate,
            "masking.frequency_power": self.size.frequency_power,
        }

    def run(self, name, config, changes, steps):
        self.programs.command(
            "main",
            config=config,
            workdir=self.output / name,
            overrides={
                **self.batches(),
                "total_steps": steps,
                "eval.every_steps": steps,
                "checkpoint.every_steps": self.size.checkpoint_steps,
                **changes,
            },
        )

    def batches(self):
        """What a step computes, and in which precision."""
        return {
            "data.train": self.rows,
            "batch.size": self.size.sequences,
            "loss.chunk": self.size.chunk,
            "precision.compute": self.size.compute,
            "precision.teacher": self.size.compute,
        }

    def held_out(self, name):
        self.programs.command(
            "evaluate",
            model=self.model(name),
            task="mlm",
            document="block",
            data=self.flags.heldout,
            rows=self.size.heldout_rows,
            output=self.output / "scores" / name / "mlm",
        )

    def fine_tune(self, name, task, model, **more):
        if task.held_out:
            more["validation"] = self.files.part(task.name, held_out_split(task), task.held_out)
        if task.length:
            more["length"] = task.length
        more |= {"seeds": self.flags.seeds or task.seeds, "dtype": self.size.compute}
        output = self.output / "scores" / name
        fine_tune(self.programs, self.files, task, output, model=model, **more)

    def time_models(self):
        """On STS-B's sentences, as in the paper; without them on those of the held-out text."""
        timed = any(task.name == "stsb" for task in self.tasks)
        self.programs.command(
            "benchmark",
            model=self.model("student"),
            teacher=self.model("teacher"),
            input=self.files.file("stsb", "validation") if timed else self.flags.heldout,
            sentences=self.size.timed_sentences,
            output=self.output / "speed",
        )

    def ablate(self):
        """The paper's Table 4, and the choices of layers."""
        self.programs.command(
            "ablate",
            config="distilbert",
            seeds=self.size.ablation_seeds,
            output=self.output / "ablations",
            overrides=self.variation(),
        )

    def vary(self, name, changes):
        overrides = {**self.variation(), **changes}
        workdir = self.output / name
        self.programs.command("main", config="distilbert", workdir=workdir, overrides=overrides)

    def variation(self):
        """The short run that is varied."""
        return {
            **self.recipe(),
            **self.batches(),
            "total_steps": self.size.ablation_steps,
            "eval.every_steps": 1_000_000,
            "checkpoint.every_steps": 1_000_000,
        }

    def distil_equal_flops(self):
        self.distil("cut-flops", WITHOUT_TEACHER, self.equal_flops())

    def equal_flops(self):
        """Steps without a teacher that cost what the student's distillation cost."""
        teacher = load(self.model("teacher")).config
        student = load(self.model("student")).config
        shape = {"student": student, "length": 128}
        distilled = training_flops(
            teacher, **shape, teacher_logits=True, teacher_hidden=True, decoded_share=1.0
        )
        alone = training_flops(
            None, **shape, teacher_logits=False, teacher_hidden=False, decoded_share=MASKED_SHARE
        )
        return round(self.size.steps * distilled.total / alone.total)

    def distil_again(self, task):
        """A task with the fine-tuned teacher's soft targets."""
        teacher = best_model(self.output / "scores" / "teacher", task)
        self.fine_tune("student-second", task, self.model("student"), teacher=teacher)
