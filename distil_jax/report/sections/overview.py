"""What a reader wants first: what the student costs and what it keeps."""

from distil_jax.report import amount, results_table, score_comparisons
from distil_jax.report.document import Block, Missing, PageSection, Table, Tile, Tiles
from distil_jax.report.report_data import ReportData
from distil_jax.report.runs import TEACHER, Run

LANGUAGE_LOSSES = {"masked_lm": "held-out MLM loss", "causal_lm": "held-out LM loss"}


def section(data: ReportData) -> PageSection | Missing | None:
    """Tiles of a single run, and a row for each model of every run."""
    if not data.runs:
        return None
    models = [
        (f"{run.name} {name}", each) for run in data.runs for name, each in run.models.items()
    ]
    shown = results_table.columns(dict(models))
    rows = [
        [data.of(run, name), *cells]
        for run in data.runs
        for name, *cells in results_table.rows(run.models, shown)
    ]
    head = ("model", *(label for _, label, _ in shown))
    masked = any("masked_lm" in each for _, each in models)
    caption = "Held-out text" + ", the same masks for every model" * masked
    blocks: list[Block] = [
        *([Tiles(tiles)] if (tiles := _tiles(data)) else []),
        Table(caption, head, rows),
    ]
    return PageSection("result", "Result", blocks)


def _tiles(data: ReportData) -> list[Tile]:
    """Of a single finished run with a teacher."""
    if len(data.runs) != 1 or TEACHER not in data.runs[0].models:
        return []
    run = data.runs[0]
    return [
        tile
        for tile in (
            _retention(data),
            _accuracy(run),
            _size(run),
            _speed(data),
            _agreement(run),
            _loss(run),
        )
        if tile is not None
    ]


def _retention(data: ReportData) -> Tile | None:
    mean = score_comparisons.over_tasks(
        [
            comparison
            for comparison in score_comparisons.compare(data)
            if score_comparisons.is_student(comparison.score.model, data.runs[0])
            and not comparison.score.teacher
        ]
    )
    if mean is None or mean.retention is None:
        return None
    tasks = amount.counted(len(mean.tasks), "task")
    return Tile(amount.percent(mean.retention), "of the teacher's score", f"mean of {tasks}")


def _accuracy(run: Run) -> Tile | None:
    """What is kept of the teacher's accuracy at masked tokens."""
    student, teacher = (figures.get("accuracy") for figures in (run.student, run.models[TEACHER]))
    if not run.finished or not student or not teacher:
        return None
    shares = f"{amount.percent(student)} of {amount.percent(teacher)}, held-out tokens"
    return Tile(amount.percent(student / teacher), "of the teacher's accuracy", shares)


def _size(run: Run) -> Tile | None:
    student, teacher = run.student.get("parameters"), run.models[TEACHER].get("parameters")
    if not student or not teacher:
        return None
    sizes = f"{amount.short(student)} of {amount.short(teacher)}"
    return Tile(amount.percent(student / teacher), "of the teacher's parameters", sizes)


def _speed(data: ReportData) -> Tile | None:
    run = data.runs[0]
    for speed in data.speeds.values():
        ratio = speed.ratios.get("batch_1_speed")
        if ratio and score_comparisons.is_student(speed.names["student"], run):
            return Tile(f"{ratio:.2f} times", "as fast as the teacher", "one sentence at a time")
    rates = [figures.get("sentences_per_second") for figures in (run.student, run.models[TEACHER])]
    if rates[0] and rates[1]:
        ratio = rates[0] / rates[1]
        return Tile(f"{ratio:.2f} times", "as fast as the teacher", "many sentences at a time")
    return None


def _agreement(run: Run) -> Tile | None:
    value = run.student.get("agreement")
    if not run.finished or value is None:
        return None
    where = "held-out tokens" if "causal_lm" in run.student else "masked held-out tokens"
    return Tile(amount.percent(value), "same word as the teacher", where)


def _loss(run: Run) -> Tile | None:
    name = next((name for name in LANGUAGE_LOSSES if name in run.student), None)
    if not run.finished or name is None:
        return None
    teacher = amount.decimal(run.models[TEACHER].get(name), 3)
    return Tile(amount.decimal(run.student[name], 3), LANGUAGE_LOSSES[name], f"teacher {teacher}")
