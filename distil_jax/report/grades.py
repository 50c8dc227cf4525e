"""Which model a score belongs to, and which score it is held against."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from distil_jax.report import paper
from distil_jax.report.material import Material
from distil_jax.report.runs import Run
from distil_jax.report.scores import Score

SECOND = "second distillation"
TEXT = "mlm"
"""`evaluate`'s task of held-out text."""


@dataclass(frozen=True)
class Grade:
    """A model's score beside its teacher's; `teacher` is None where that was not measured."""

    label: str
    score: Score
    teacher: Score | None

    @property
    def retention(self) -> float | int | None:
        """The share of the teacher's score."""
        if self.teacher is None or self.teacher.points <= 0:
            return None
        return self.score.points / self.teacher.points


@dataclass(frozen=True)
class WeightedSum:
    """A model's mean score over tasks beside its teacher's."""

    tasks: tuple[str, ...]
    points: float
    teacher: float

    @property
    def retention(self) -> float | None:
        """The share of the teacher's mean score."""
        return self.points / self.teacher if self.teacher > 0 else None


def over_tasks(found: Sequence[Grade]) -> WeightedSum | None:
    """The mean over the tasks of a model's grades, of those whose teacher was measured.

    Of the paper's tasks where there is one; a task that was scored more than once counts once, with
    the mean. Held-out text is no task.
    """
    held = [grade for grade in found if grade.teacher is not None and grade.score.task != TEXT]
    of_paper = [grade for grade in held if grade.score.task in paper.TASKS]
    by_task: dict[str, list[Grade]] = {}
    for grade in of_paper or held:
        by_task.setdefault(grade.score.task, []).append(grade)
    if not by_task:
        return None
    return WeightedSum(
        tuple(by_task),
        mean(mean(grade.score.points for grade in same) for same in by_task.values()),
        mean(
            mean(grade.teacher.points for grade in same if grade.teacher)
            for same in by_task.values()
        ),
    )


def grades(material: Material) -> list[Grade]:
    """Every score but the teachers', by task in the paper's order; teachers alone where need be."""
    found = []
    for task in tasks(material.scores):
        here = [score for score in material.scores if score.task == task]
        pairs = [(score, _teacher_of(score, here, material)) for score in here]
        teachers = [teacher for _, teacher in pairs if teacher is not None]
        found += [
            Grade(_label(score, material), score, teacher)
            for score, teacher in pairs
            if not any(score is other for other in teachers)
        ]
    return found


def tasks(scores: Sequence[Score]) -> list[str]:
    """The tasks that were scored, the paper's first and in its order."""
    names = {score.task for score in scores}
    return [task for task in paper.TASKS if task in names] + sorted(names - paper.TASKS.keys())


def is_teacher(score: Score, material: Material) -> bool:
    """Whether the score is of the teacher of one of the runs."""
    return any(_same(score.model, run.teacher) for run in material.runs if run.teacher)


def _label(score: Score, material: Material) -> str:
    suffix = f", {SECOND}" if score.teacher else ""
    for run in material.runs:
        if is_student(score.model, run):
            return material.of(run, "student") + suffix
    if is_teacher(score, material):
        return "teacher"
    return (Path(score.model).name or score.model) + suffix


def _teacher_of(score: Score, here: Sequence[Score], material: Material) -> Score | None:
    """The score of the run's teacher; without a run, that of a larger model, the largest."""
    if is_teacher(score, material):
        return None
    owners = [run for run in material.runs if is_student(score.model, run)]
    for run in owners or material.runs:
        for other in here:
            if run.teacher and _same(other.model, run.teacher):
                return other
    if owners or material.runs:
        return None
    largest = max(here, key=lambda other: other.parameters)
    return largest if largest.parameters > score.parameters else None


def is_student(model: str, run: Run) -> bool:
    """Whether a model is the run's student."""
    folder = Path(run.folder)
    named = Path(model)
    return _same(model, str(folder / "student")) or (
        # Measured from another folder or on another machine.
        named.parts[-2:] == (folder.resolve().name, "student") and not named.exists()
    )


def _same(name: str, other: str) -> bool:
    return name == other or Path(name).resolve() == Path(other).resolve()
