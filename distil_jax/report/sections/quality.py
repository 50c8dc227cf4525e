"""Scores beside the paper's where it has any, and how much of the teacher's is kept."""

from collections.abc import Sequence
from statistics import mean

from matplotlib.figure import Figure

from distil_jax.report import amount, drawing, paper, score_comparisons
from distil_jax.report.document import Missing, Notes, PageSection, Picture, Pictures, Table
from distil_jax.report.measurements import TaskScore
from distil_jax.report.report_data import ReportData
from distil_jax.report.score_comparisons import ScoreComparison

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


def section(data: ReportData) -> PageSection | Missing | None:
    """The paper's table beside the runs', bars of what is kept, remarks, and further metrics."""
    comparisons = score_comparisons.compare(data)
    if not comparisons:
        return _missing(data)
    rows = [row for comparison in comparisons for row in _rows(comparison)]
    rows += [row for label in _labels(comparisons) for row in _mean(label, comparisons)]
    names = [comparison.score.task for comparison in comparisons]
    published = any(task in paper.TASKS for task in names)
    sets = ", the paper's tasks on their development sets, IMDb on its test set" * published
    units = "Points of 100" + ", perplexity as it is" * any(
        comparison.score.metric == score_comparisons.PERPLEXITY for comparison in comparisons
    )
    caption = (
        f"{units}{sets}; medians over the seeds. “Kept” is the model's score over its teacher's."
    )
    remarks = [text for task, text in paper.REMARKS.items() if task in names]
    several = len(_labels(comparisons)) > 1 or not data.runs
    blocks: list = [_table(caption, rows, several=several)]
    blocks += [Notes(remarks)] if remarks else []
    if drawn := [comparison for comparison in comparisons if comparison.retention is not None]:
        shares = "; ".join(
            f"{_title(comparison)} {amount.percent(comparison.retention)} ({comparison.label})"
            for comparison in drawn
        )
        title = "Share of the teacher's score that is kept, %"
        picture = Picture("retention", title, f"{title}: {shares}.", _draw(drawn))
        blocks.insert(1, Pictures([picture]))
    further = [row for comparison in comparisons for row in _further(comparison)]
    if further:
        head = ("task", "model", "metric", "teacher", "this model")
        blocks.append(Table("Further metrics of the same models", head, further, words=range(3)))
    title = "Scores beside the paper's" if published else "Scores"
    return PageSection("scores", title, blocks)


def _further(comparison: ScoreComparison) -> list[list[str]]:
    """The metrics of a task besides the one that it is known by."""
    score, teacher = comparison.score, comparison.teacher
    own = {
        name: value
        for name, value in score.metrics.items()
        if name != score.metric and not (score.task == "squad" and name in EXACT)
    }
    return [
        [
            *(_title(comparison), comparison.label, name),
            amount.decimal(teacher.metrics.get(name) if teacher else None, 1),
            amount.decimal(value, 1 if abs(value) >= 1 else 2),
        ]
        for name, value in own.items()
    ]


def _table(caption: str, rows: Sequence[Sequence[str]], *, several: bool) -> Table:
    """The column of models only where there is more than one, of the paper where it has scores."""
    shown_columns = [
        column
        for column in range(len(HEAD))
        if (several or column != MODEL)
        and (not HEAD[column].startswith("paper") or any(row[column] != "-" for row in rows))
    ]
    words = [
        position for position, column in enumerate(shown_columns) if column in (0, MODEL, METRIC)
    ]
    shown = [[row[column] for column in shown_columns] for row in rows]
    return Table(caption, [HEAD[column] for column in shown_columns], shown, words=words)


def _missing(data: ReportData) -> Missing | None:
    if not data.runs:
        return None
    run = data.runs[0]
    model = f"{run.folder}/student"
    return Missing(
        "Scores on tasks beside the paper's (and once more with the teacher as --model)",
        f"python -m distil_jax.evaluate --model={model} --task=sst2 "
        f"--output={run.folder}/scores/sst2",
    )


def _labels(comparisons: Sequence[ScoreComparison]) -> list[str]:
    return list(dict.fromkeys(comparison.label for comparison in comparisons))


def _title(comparison: ScoreComparison) -> str:
    return (
        paper.TASKS[comparison.score.task].title
        if comparison.score.task in paper.TASKS
        else comparison.score.task
    )


def _rows(comparison: ScoreComparison) -> list[list[str]]:
    score, teacher, spread = comparison.score, comparison.teacher, comparison.score.spread
    between = (
        f"{spread['min']:.1f} to {spread['max']:.1f}"
        if score.seeds > 1 and {"min", "max"} <= spread.keys()
        else "-"
    )
    row = [
        *(_title(comparison), comparison.label),
        amount.decimal(teacher.points if teacher else None, 1),
        amount.decimal(score.points, 1),
        amount.percent(comparison.retention),
        *_published(paper.TASKS.get(score.task, OTHER)),
        *(str(score.seeds), between, score.definition),
    ]
    return [row, *_exact(comparison)] if score.task == "squad" else [row]


def _exact(comparison: ScoreComparison) -> list[list[str]]:
    """SQuAD's second figure."""
    exact = _first(comparison.score)
    if exact is None:
        return []
    teacher = _first(comparison.teacher) if comparison.teacher else None
    return [
        [
            *(_title(comparison), comparison.label),
            *_shares(teacher, exact),
            *_published(paper.SQUAD_EXACT),
            *(str(comparison.score.seeds), "-", paper.SQUAD_EXACT.metric),
        ]
    ]


def _first(score: TaskScore) -> float | int | None:
    return next((score.metrics[name] for name in EXACT if name in score.metrics), None)


def _shares(teacher: float | int | None, score: float | int) -> list[str]:
    share = score / teacher if teacher and teacher > 0 else None
    return [amount.decimal(teacher, 1), amount.decimal(score, 1), amount.percent(share)]


def _published(row: paper.Published) -> list[str]:
    return [
        amount.decimal(row.bert_base, 1),
        amount.decimal(row.distilbert, 1),
        amount.percent(row.retention),
    ]


def _mean(label: str, comparisons: Sequence[ScoreComparison]) -> list[list[str]]:
    """The mean over the paper's tasks that both sides have, if there are several."""
    mean_score = score_comparisons.over_tasks(
        [comparison for comparison in comparisons if comparison.label == label]
    )
    if mean_score is None or len(mean_score.tasks) < 2 or mean_score.tasks[0] not in paper.TASKS:
        return []
    published_scores = [paper.TASKS[task] for task in mean_score.tasks]
    published = paper.Published(
        "",
        "",
        mean(row.bert_base for row in published_scores),
        mean(row.distilbert for row in published_scores),
    )
    figures = [*_shares(mean_score.teacher, mean_score.points), *_published(published)]
    return [
        [f"mean of {len(mean_score.tasks)} tasks", label, *figures, "-", "-", "of the scores above"]
    ]


def _draw(comparisons: Sequence[ScoreComparison]) -> Figure:
    labels, names = (
        _labels(comparisons),
        list(dict.fromkeys(comparison.score.task for comparison in comparisons)),
    )
    bars = len(labels) + 1
    figure, axes = drawing.axes(0.9 + len(names) * (0.2 + 0.17 * bars))
    for row, task in enumerate(names):
        theirs = paper.TASKS[task].retention * 100 if task in paper.TASKS else 0.0
        axes.barh(row, theirs, height=0.8 / bars, color=drawing.FAINT)
        for comparison in comparisons:
            if comparison.score.task == task and comparison.retention is not None:
                number = labels.index(comparison.label)
                offset = (number + 1) * 0.8 / bars
                value = comparison.retention * 100
                axes.barh(row + offset, value, height=0.8 / bars, color=drawing.colour(number))
                drawing.value(axes, max(value, 100) + 1, row + offset, f"{value:.1f}")
    titles = {comparison.score.task: _title(comparison) for comparison in comparisons}
    ticks = [row + 0.4 * (bars - 1) / bars for row in range(len(names))]
    axes.set_yticks(ticks, [drawing.label(titles[task]) for task in names])
    axes.invert_yaxis()
    axes.axvline(100, color=drawing.INK, linewidth=0.8)
    axes.set_xlim(
        0, max(112.0, 100 * max(comparison.retention or 0 for comparison in comparisons) + 12)
    )
    of_paper = {"paper": drawing.FAINT} if set(names) & paper.TASKS.keys() else {}
    drawing.legend(figure, of_paper | drawing.colours(labels))
    return figure
