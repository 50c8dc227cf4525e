"""Half of a real sentence-embedding teacher, distilled on a CPU: what it keeps, and how fast it is.

    python benchmarks/embedding_study.py --size=cpu --teacher=MPNET --data=DATA --output=STUDY

MPNET is a folder of sentence-transformers with 12 layers (all-mpnet-base-v2), DATA has corpora,
tasks and retrieval sets as `embedding_texts.py` names them. The teacher's vectors are stored once.
On a tenth of the texts layers, objectives and learning rates are compared by STS-B's and SICK's
validation pairs and a search of long texts; then the best setting learns from all. Every step is
one of the package's commands; what is finished is kept, and the same command resumes it. At any
time STUDY/embedding.md and embedding.json hold what there is.
"""

import argparse
import json
from pathlib import Path

import embedding_layers
import embedding_texts
import jax
from embedding_layers import cut_teacher, every_other, spelt
from embedding_settings import SETTINGS, SIZES, STATES
from embedding_table import OWN, TEST, VALIDATION, folder_of, kept, write_tables
from study_programs import Job, Programs, run_to_end

from distil_jax import commandline
from distil_jax.embedding.opening import open_embedder
from distil_jax.errors import UsageError, UserError
from distil_jax.pretrained import load_sentence_model
from distil_jax.pretrained.sentence_writing import save_sentence_model
from distil_jax.storage import atomic


class Study:
    """The folder of a study and the jobs that fill it."""

    def __init__(self, flags):
        self.size, self.output, self.teacher = SIZES[flags.size], flags.output, flags.teacher
        self.data, self.others = flags.data, flags.other
        check_others(flags.other)
        self.shape = load_sentence_model(flags.teacher).model.config
        if self.shape.layers < 2:
            raise UserError(
                f"--teacher={flags.teacher} has {self.shape.layers} layer, and the students have "
                "half of the layers: name a teacher of 2 or more"
            )
        self.programs = Programs(flags.output / "hours.jsonl")
        flags.output.mkdir(parents=True, exist_ok=True)

    def jobs(self):
        """In the order of their worth."""
        settings = list(SETTINGS)[: self.size.settings]
        needs = ("targets", "layers", "long")
        return [
            Job("long", self.write_search),
            Job("texts", self.write_texts),
            Job("layers", self.compare_layers, ("texts",)),
            Job("targets", self.store_targets, ("texts",)),
            Job("teacher, validation", lambda: self.validate("teacher", self.teacher), ("long",)),
            *(Job(name, lambda name=name: self.try_setting(name), needs) for name in settings),
            Job("student", lambda: self.distil(settings), (*settings, "teacher, validation")),
            Job("start", self.save_start, ("student",)),
            *self.tests({"student": self.student, "teacher": self.teacher}, "student"),
            *self.tests({"start": self.output / "start"}, "start"),
            Job("int8", self.export, ("student",)),
            *self.tests({"int8": self.output / "int8"}, "int8"),
            *self.tests({Path(other).name: other for other in self.others}, "texts"),
            Job("contrast", self.contrast, ("start",)),
            *self.tests({"contrast": self.output / "contrast/student"}, "contrast"),
            Job("states", self.teach_states, ("layers",)),
            *self.tests({"states": self.output / "states/student"}, "states"),
            Job("speed", self.time_models, ("student",), alone=True),
        ]

    def tests(self, models, need):
        """Each model on each test set."""
        return [
            Job(
                f"{name} on {task}",
                lambda name=name, model=model, task=task: self.score(name, model, task),
                (need,),
            )
            for name, model in models.items()
            for task in TEST
        ]

    @property
    def student(self):
        return self.output / "student/student"

    def write_texts(self):
        size, folder = self.size, self.output / "texts"
        if (folder / "part.jsonl").is_file():
            return
        texts = embedding_texts.learning_texts(self.data, size.sentences, size.passages, seed=0)
        embedding_texts.write_texts(folder / "all.jsonl", texts)
        part = texts[: int(len(texts) * size.share)]
        embedding_texts.write_texts(folder / "part.jsonl", part)

    def write_search(self):
        # The last that is written.
        if not (self.output / "long/qrels/test.tsv").is_file():
            embedding_texts.write_search(self.output / "long", self.data, self.size.articles)

    def store_targets(self):
        self.programs.command(
            "cache", config="embedding", output=self.output / "targets", overrides=self.run("all")
        )

    def run(self, texts):
        """The keys that every run of the study has."""
        return {
            "teacher": self.teacher,
            "data.train": self.output / f"texts/{texts}.jsonl",
            "batch.size": self.size.rows,
            "batch.length": self.size.length,
            "loss.options.similarity_mse.rows": self.size.rows,
            "precision.compute": "auto",
            "precision.teacher": "auto",
            "optimizer.learning_rate": 2e-4,
        }

    def compare_layers(self):
        """Likeness of the similarities of sentences, teacher and first weights, by layers taken."""
        file = self.output / "layers.json"
        if file.is_file():
            return
        with (self.output / "texts/part.jsonl").open(encoding="utf-8") as lines:
            texts = [json.loads(line)["text"] for line in lines]
        found = embedding_layers.likeness(load_sentence_model(self.teacher), texts)
        ranked = dict(sorted(found.items(), key=lambda one: -one[1]))
        atomic.write_text(file, json.dumps(ranked, indent=1) + "\n")

    def layers_of(self, setting):
        """What a setting's student is made of."""
        ranked = list(json.loads((self.output / "layers.json").read_text()))
        if setting == "every other layer":
            return spelt(every_other(self.shape.layers))
        return ranked[:2][-1] if setting == "second layers" else ranked[0]

    def overrides(self, setting, texts, share):
        steps = max(int(self.size.steps * share), 2)
        return {
            **self.run(texts),
            "targets": self.output / "targets",
            "student.layers": self.layers_of(setting),
            "total_steps": steps,
            "checkpoint.every_steps": steps,
            "eval.every_steps": steps,
            **SETTINGS[setting],
        }

    def try_setting(self, name):
        folder = self.output / "compared" / folder_of(name)
        overrides = self.overrides(name, "part", self.size.share)
        self.programs.command("main", config="embedding", workdir=folder, overrides=overrides)
        self.validate(f"compared/{folder_of(name)}", folder / "student")

    def validate(self, name, model):
        for task, folder in VALIDATION.items():
            scores = self.output / "validation" / name / task
            if task == "long":
                files = {"task": "retrieval", "data": self.output / "long"}
            else:
                files = {"task": "sts", "validation": self.data / folder / "validation.jsonl"}
            self.programs.command("evaluate", model=model, dtype="auto", **files, output=scores)

    def score(self, name, model, task):
        kind = "retrieval" if task == "Cranfield" else "sts"
        scores = self.output / "test" / name / task
        data = self.data / TEST[task]
        # An export computes as it was made.
        dtype = {} if name == "int8" else {"dtype": "auto"}
        self.programs.command("evaluate", model=model, **dtype, task=kind, data=data, output=scores)

    def distil(self, settings):
        """The setting that keeps most of the three validation scores, on all texts."""
        best = max(settings, key=lambda name: kept(self.output, f"compared/{folder_of(name)}"))
        (self.output / "chosen.json").write_text(json.dumps(best) + "\n")
        overrides = self.overrides(best, "all", 1)
        folder = self.output / "student"
        self.programs.command("main", config="embedding", workdir=folder, overrides=overrides)

    def chosen_layers(self):
        return self.layers_of(json.loads((self.output / "chosen.json").read_text()))

    def save_start(self):
        """The student before its first step."""
        folder = self.output / "start"
        if not folder.is_dir():
            layers = [int(layer) for layer in self.chosen_layers().split(",") if layer]
            save_sentence_model(folder, cut_teacher(load_sentence_model(self.teacher), layers))

    def contrast(self):
        """The same first weights, taught to find partners of questions, without a teacher."""
        overrides = {
            "teacher": "",
            "student.folder": self.output / "start",
            "data.train": self.data / embedding_texts.PAIRS,
            "data.column": "sentence1,sentence2",
            "loss.vector_cosine": 0.0,
            "loss.similarity_mse": 0.0,
            "loss.contrastive": 1.0,
            "loss.options.contrastive.rows": self.size.rows,
            "batch.size": self.size.rows,
            "batch.length": self.size.length,
            "optimizer.learning_rate": 2e-5,
            "precision.compute": "auto",
            "total_steps": self.size.steps,
            "checkpoint.every_steps": self.size.steps,
            "eval.every_steps": self.size.steps,
        }
        folder = self.output / "contrast"
        self.programs.command("main", config="embedding", workdir=folder, overrides=overrides)

    def teach_states(self):
        """Of the best layers a student that learns every token's state, for tasks with two texts.

        Vectors alone say nothing of how one sentence looks at another, nor of the first token,
        which a classifier reads.
        """
        texts = self.output / "texts/states.jsonl"
        if not texts.is_file():
            embedding_texts.write_texts(texts, self.texts_of_states())
        steps = self.size.states_steps
        overrides = {
            **self.run("states"),
            "student.layers": self.layers_of("both losses"),
            "total_steps": steps,
            "checkpoint.every_steps": steps,
            "eval.every_steps": steps,
            **STATES,
        }
        folder = self.output / "states"
        self.programs.command("main", config="embedding", workdir=folder, overrides=overrides)

    def texts_of_states(self):
        between = embedding_texts.separator(load_sentence_model(self.teacher).model.tokenizer)
        with (self.output / "texts/all.jsonl").open(encoding="utf-8") as lines:
            texts = [json.loads(line)["text"] for line in lines]
        return embedding_texts.texts_and_pairs(self.data, texts, between, seed=1)

    def export(self):
        self.programs.command(
            "export",
            format="onnx",
            model=self.student,
            pooling="graph",
            quantize="int8",
            output=self.output / "int8",
        )

    def time_models(self):
        sentences = self.data / "glue/stsb/validation.jsonl"
        self.programs.command(
            "benchmark",
            model=self.student,
            teacher=self.teacher,
            input=sentences,
            sentences=100,
            rounds=3,
            output=self.output / "speed",
        )


def check_others(others):
    """Refuse a further model whose row another has, or that cannot be opened."""
    taken = set(OWN)
    for other in others:
        if (name := Path(other).name) in taken:
            raise UsageError(
                f"--other={other} would have the row {name!r} of the tables, which another model "
                "has; name its folder otherwise"
            )
        taken.add(name)
        open_embedder(other)  # a mistyped one is refused now, not after hours


def main(arguments):
    flags = parser().parse_args(arguments)
    # The accelerator is for the programs; here models are only looked at.
    jax.config.update("jax_platforms", "cpu")
    embedding_texts.check(flags.data)
    study = Study(flags)
    run_to_end(study.programs, study.jobs(), lambda: write_tables(flags, list(SETTINGS)))


def parser():
    parser = commandline.Parser(prog="python benchmarks/embedding_study.py", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--size", required=True, choices=SIZES, help="how much is done")
    add("--teacher", required=True, help="folder of sentence-transformers")
    add("--data", required=True, type=Path, help="corpora, tasks and retrieval sets")
    add("--other", default=[], action="append", help="a further model that is scored as it is")
    add("--output", required=True, type=commandline.folder, help="folder of the study")
    return parser


if __name__ == "__main__":
    commandline.run(main)
