"""Scores after fine-tuning beside the paper's, and how much of the teacher's is kept."""

from collections.abc import Sequence
from statistics import mean

from matplotlib.figure import Figure

from distil_jax.report import amount, drawing, grades, paper
from distil_jax.report.document import Missing, Notes, Picture, Pictures, Section, Table
from distil_jax.report.grades import Grade
from distil_jax.report.material import Material
from distil_jax.report.scores import Score

HEAD = (
    "task",
    "model",
    "teacher",
    "this model",
    "kept",
    "paper: BERT-base",
    "paper: DistilBERT",
    "paper: kept",
    "seeds",
    "lowest to highest",
    "metric",
)
MODEL, METRIC = HEAD.index("model"), HEAD.index("metric")
EXACT = ("exact_match", "em", "exact")
OTHER = paper.Published("", "", float("nan"), float("nan"))


def section(material: Material) -> Section | Missing | None:
    """The paper's table beside the runs', bars of what is kept, and remarks."""
    found = grades.grades(material)
    if not found:
        return _missing(material)
    rows = [row for grade in found for row in _rows(grade)]
    rows += [row for label in _labels(found) for row in _mean(label, found)]
    caption = (
        "Points of 100, the paper's tasks on their development sets, IMDb on its test set; "
        "medians over the seeds. "
        "“Kept” is the model's score over its teacher's."
    )
    names = [grade.score.task for grade in found]
    remarks = [text for task, text in paper.REMARKS.items() if task in names]
    blocks: list = [_table(caption, rows, several=len(_labels(found)) > 1)]
    blocks += [Notes(remarks)] if remarks else []
    if drawn := [grade for grade in found if grade.retention is not None]:
        told = "; ".join(
            f"{_title(grade)} {amount.percent(grade.retention)} ({grade.label})" for grade in drawn
        )
        title = "Share of the teacher's score that is kept, %"
        picture = Picture("retention", title, f"{title}: {told}.", _draw(drawn))
        blocks.insert(1, Pictures([picture]))
    return Section("scores", "Scores beside the paper's", blocks)


def _table(caption: str, rows: Sequence[Sequence[str]], *, several: bool) -> Table:
    """The column of models only where there is more than one."""
    kept = [column for column in range(len(HEAD)) if several or column != MODEL]
    words = [place for place, column in enumerate(kept) if column in (0, MODEL, METRIC)]
    shown = [[row[column] for column in kept] for row in rows]
    return Table(caption, [HEAD[column] for column in kept], shown, words=words)


def _missing(material: Material) -> Missing | None:
    if not material.runs:
        return None
    run = material.runs[0]
    model = f"{run.folder}/student"
    return Missing(
        "Scores on tasks beside the paper's (and once more with the teacher as --model)",
        f"python -m distil_jax.evaluate --model={model} --task=sst2 "
        f"--output={run.folder}/scores/sst2",
    )


def _labels(found: Sequence[Grade]) -> list[str]:
    return list(dict.fromkeys(grade.label for grade in found))


def _title(grade: Grade) -> str:
    return (
        paper.TASKS[grade.score.task].title if grade.score.task in paper.TASKS else grade.score.task
    )


def _rows(grade: Grade) -> list[list[str]]:
    score, teacher, spread = grade.score, grade.teacher, grade.score.spread
    between = (
        f"{spread['min']:.1f} to {spread['max']:.1f}"
        if score.seeds > 1 and {"min", "max"} <= spread.keys()
        else "-"
    )
    row = [
        *(_title(grade), grade.label),
        *_kept(teacher.points if teacher else None, score.points),
        *_published(paper.TASKS.get(score.task, OTHER)),
        *(str(score.seeds), between, score.definition),
    ]
    return [row, *_exact(grade)] if score.task == "squad" else [row]


def _exact(grade: Grade) -> list[list[str]]:
    """SQuAD's second figure."""
    own = _first(grade.score)
    if own is None:
        return []
    teacher = _first(grade.teacher) if grade.teacher else None
    return [
        [
            *(_title(grade), grade.label),
            *_kept(teacher, own),
            *_published(paper.SQUAD_EXACT),
            *(str(grade.score.seeds), "-", paper.SQUAD_EXACT.metric),
        ]
    ]


def _first(score: Score) -> float | int | None:
    return next((score.metrics[name] for name in EXACT if name in score.metrics), None)


def _kept(teacher: float | int | None, own: float | int) -> list[str]:
    kept = own / teacher if teacher and teacher > 0 else None
    return [amount.decimal(teacher, 1), amount.decimal(own, 1), amount.percent(kept)]


def _published(row: paper.Published) -> list[str]:
    return [
        amount.decimal(row.bert_base, 1),
        amount.decimal(row.distilbert, 1),
        amount.percent(row.retention),
    ]


def _mean(label: str, found: Sequence[Grade]) -> list[list[str]]:
    """The mean over the paper's tasks that both sides have, if there are several."""
    here = grades.over_tasks([grade for grade in found if grade.label == label])
    if here is None or len(here.tasks) < 2 or here.tasks[0] not in paper.TASKS:
        return []
    theirs = [paper.TASKS[task] for task in here.tasks]
    published = paper.Published(
        "",
        "",
        mean(row.bert_base for row in theirs),
        mean(row.distilbert for row in theirs),
    )
    figures = [*_kept(here.teacher, here.points), *_published(published)]
    return [[f"mean of {len(here.tasks)} tasks", label, *figures, "-", "-", "of the scores above"]]


def _draw(found: Sequence[Grade]) -> Figure:
    labels, names = _labels(found), list(dict.fromkeys(grade.score.task for grade in found))
    bars = len(labels) + 1
    figure, axes = drawing.axes(0.9 + len(names) * (0.2 + 0.17 * bars))
    for place, task in enumerate(names):
        theirs = paper.TASKS[task].retention * 100 if task in paper.TASKS else 0.0
        axes.barh(place, theirs, height=0.8 / bars, color=drawing.FAINT)
        for grade in found:
            if grade.score.task == task and grade.retention is not None:
                number = labels.index(grade.label)
                offset = (number + 1) * 0.8 / bars
                value = grade.retention * 100
                axes.barh(place + offset, value, height=0.8 / bars, color=drawing.colour(number))
                drawing.value(axes, max(value, 100) + 1, place + offset, f"{value:.1f}")
    titles = {grade.score.task: _title(grade) for grade in found}
    ticks = [place + 0.4 * (bars - 1) / bars for place in range(len(names))]
    axes.set_yticks(ticks, [drawing.label(titles[task]) for task in names])
    axes.invert_yaxis()
    axes.axvline(100, color=drawing.INK, linewidth=0.8)
    axes.set_xlim(0, max(112.0, 100 * max(grade.retention or 0 for grade in found) + 12))
    drawing.legend(figure, {"paper": drawing.FAINT} | drawing.colours(labels))
    return figure
