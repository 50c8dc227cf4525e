"""Which model a score belongs to, and which score it is held against."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from distil_jax.report import paper
from distil_jax.report.material import Material
from distil_jax.report.runs import Run
from distil_jax.report.scores import Score

SECOND = "second distillation"


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
        if is_student(score, run):
            return material.of(run, "student") + suffix
    if is_teacher(score, material):
        return "teacher"
    return (Path(score.model).name or score.model) + suffix


def _teacher_of(score: Score, here: Sequence[Score], material: Material) -> Score | None:
    """The score of the run's teacher; without a run, that of a larger model, the largest."""
    if is_teacher(score, material):
        return None
    owners = [run for run in material.runs if is_student(score, run)]
    for run in owners or material.runs:
        for other in here:
            if run.teacher and _same(other.model, run.teacher):
                return other
    if owners or material.runs:
        return None
    largest = max(here, key=lambda other: other.parameters)
    return largest if largest.parameters > score.parameters else None


def is_student(score: Score, run: Run) -> bool:
    """Whether the score is of the run's student."""
    folder = Path(run.folder)
    named = Path(score.model)
    return _same(score.model, str(folder / "student")) or (
        # Measured from another folder or on another machine.
        named.parts[-2:] == (folder.resolve().name, "student") and not named.exists()
    )


def _same(name: str, other: str) -> bool:
    return name == other or Path(name).resolve() == Path(other).resolve()
