"""Which model a score belongs to, and which score it is compared with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

from distil_jax.report import paper
from distil_jax.report.measurements import TaskScore
from distil_jax.report.report_data import ReportData, disambiguate
from distil_jax.report.runs import TEACHER, Run

STUDENT = "student"
SECOND = "second distillation"
TEXT = ("mlm", "causal_lm")
"""`evaluate`'s tasks of held-out text."""
PERPLEXITY = "perplexity"
"""The one metric that is better where it is smaller: nothing of a teacher's is kept."""


@dataclass(frozen=True)
class ScoreComparison:
    """A model's score beside its teacher's; `teacher` is None where that was not measured."""

    label: str
    score: TaskScore
    teacher: TaskScore | None

    @property
    def retention(self) -> float | int | None:
        """The share of the teacher's score."""
        if self.teacher is None or self.teacher.points <= 0 or self.score.metric == PERPLEXITY:
            return None
        return self.score.points / self.teacher.points


@dataclass(frozen=True)
class MeanScore:
    """A model's mean score over tasks beside its teacher's."""

    tasks: tuple[str, ...]
    points: float
    teacher: float

    @property
    def retention(self) -> float | None:
        """The share of the teacher's mean score."""
        return self.points / self.teacher if self.teacher > 0 else None


def over_tasks(comparisons: Sequence[ScoreComparison]) -> MeanScore | None:
    """The mean over the tasks of a model's scores, of those whose teacher was measured.

    Of the paper's tasks where there is one; a task that was scored more than once counts once, with
    the mean. Held-out text is no task.
    """
    comparable = [
        comparison
        for comparison in comparisons
        if comparison.teacher is not None and comparison.score.task not in TEXT
    ]
    of_paper = [comparison for comparison in comparable if comparison.score.task in paper.TASKS]
    by_task: dict[str, list[ScoreComparison]] = {}
    for comparison in of_paper or comparable:
        by_task.setdefault(comparison.score.task, []).append(comparison)
    if not by_task:
        return None
    return MeanScore(
        tuple(by_task),
        mean(mean(comparison.score.points for comparison in same) for same in by_task.values()),
        mean(
            mean(comparison.teacher.points for comparison in same if comparison.teacher)
            for same in by_task.values()
        ),
    )


def compare(data: ReportData) -> list[ScoreComparison]:
    """Every score but the teachers', by task in the paper's order; teachers alone where need be."""
    comparisons: list[ScoreComparison] = []
    names = _names(data)
    for task in tasks(data.scores):
        of_task = [score for score in data.scores if score.task == task]
        pairs = [(score, _teacher_of(score, of_task, data)) for score in of_task]
        teachers = [teacher for _, teacher in pairs if teacher is not None]
        comparisons += [
            ScoreComparison(_label(score, data, names), score, teacher)
            for score, teacher in pairs
            if not any(score is other for other in teachers)
        ]
    return comparisons


def tasks(scores: Sequence[TaskScore]) -> list[str]:
    """The tasks that were scored, the paper's first and in its order."""
    names = {score.task for score in scores}
    return [task for task in paper.TASKS if task in names] + sorted(names - paper.TASKS.keys())


def is_teacher(score: TaskScore, data: ReportData) -> bool:
    """Whether the score is of the teacher of one of the runs."""
    return any(_same(score.model, run.teacher) for run in data.runs if run.teacher)


def _names(data: ReportData) -> dict[Path, str]:
    """What each model is called that is no run's: its folder, with as much of the path as it takes.

    None is called as a run's own are.
    """
    folders = list(dict.fromkeys(Path(score.model).resolve() for score in data.scores))
    of_runs = [Path(TEACHER), Path(STUDENT)] if data.runs else []
    return dict(zip(folders, disambiguate([*folders, *of_runs]), strict=False))


def _label(score: TaskScore, data: ReportData, names: Mapping[Path, str]) -> str:
    suffix = f", {SECOND}" if score.teacher else ""
    for run in data.runs:
        if is_student(score.model, run):
            return data.of(run, STUDENT) + suffix
    if is_teacher(score, data):
        return TEACHER
    return names[Path(score.model).resolve()] + suffix


def _teacher_of(
    score: TaskScore, of_task: Sequence[TaskScore], data: ReportData
) -> TaskScore | None:
    """The score of the run's teacher, or of the one that the model was scored beside.

    Without a run and either of them, that of a larger model, the largest.
    """
    if is_teacher(score, data):
        return None
    owners = [run for run in data.runs if is_student(score.model, run)]
    for run in owners or data.runs:
        for other in of_task:
            if run.teacher and _same(other.model, run.teacher):
                return other
    if score.metric in score.of_teacher:
        points, metrics = score.of_teacher[score.metric], score.of_teacher
        return replace(score, model="", points=points, metrics=metrics, of_teacher={})
    if owners or data.runs:
        return None
    largest = max(of_task, key=lambda other: other.parameters)
    return largest if largest.parameters > score.parameters else None


def is_student(model: str, run: Run) -> bool:
    """Whether a model is the run's student."""
    folder = Path(run.folder)
    named = Path(model)
    return _same(model, str(folder / STUDENT)) or (
        # Measured from another folder or on another machine.
        named.parts[-2:] == (folder.resolve().name, STUDENT) and not named.exists()
    )


def _same(name: str, other: str) -> bool:
    return name == other or Path(name).resolve() == Path(other).resolve()
