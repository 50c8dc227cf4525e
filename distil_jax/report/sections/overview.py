"""What a reader wants first: what the student costs and what it keeps."""

from distil_jax.report import amount, grades, table
from distil_jax.report.document import Block, Missing, Notes, Section, Table, Tile, Tiles
from distil_jax.report.material import Material
from distil_jax.report.runs import TEACHER, Run


def section(material: Material) -> Section | Missing | None:
    """Tiles of a single run, and a row for each model of every run."""
    if not material.runs:
        return None
    rows = [
        [material.of(run, name), *cells]
        for run in material.runs
        for name, *cells in table.rows(run.models)
    ]
    head = ("model", *(label for _, label, _ in table.COLUMNS))
    blocks: list[Block] = [
        *([Tiles(tiles)] if (tiles := _tiles(material)) else []),
        Table("Held-out text, the same masks for every model", head, rows),
    ]
    open_runs = [material.called(run) for run in material.runs if not run.finished]
    if open_runs:
        blocks.append(
            Notes([f"{name} has not finished: type its command again" for name in open_runs])
        )
    return Section("result", "Result", blocks)


def _tiles(material: Material) -> list[Tile]:
    """Of a single finished run with a teacher."""
    if len(material.runs) != 1 or TEACHER not in material.runs[0].models:
        return []
    run = material.runs[0]
    return [
        tile
        for tile in (_kept(material), _size(run), _speed(material), _agreement(run), _loss(run))
        if tile is not None
    ]


def _kept(material: Material) -> Tile | None:
    mean = grades.over_tasks(
        [
            grade
            for grade in grades.grades(material)
            if grades.is_student(grade.score.model, material.runs[0]) and not grade.score.teacher
        ]
    )
    if mean is None or mean.retention is None:
        return None
    tasks = amount.counted(len(mean.tasks), "task")
    return Tile(amount.percent(mean.retention), "of the teacher's score", f"mean of {tasks}")


def _size(run: Run) -> Tile | None:
    own, teacher = run.student.get("parameters"), run.models[TEACHER].get("parameters")
    if not own or not teacher:
        return None
    told = f"{amount.short(own)} of {amount.short(teacher)}"
    return Tile(amount.percent(own / teacher), "of the teacher's parameters", told)


def _speed(material: Material) -> Tile | None:
    run = material.runs[0]
    for speed in material.speeds.values():
        ratio = speed.ratios.get("batch_1_speed")
        if ratio and grades.is_student(speed.names["student"], run):
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
    return Tile(amount.percent(value), "same word as the teacher", "masked held-out tokens")


def _loss(run: Run) -> Tile | None:
    value = run.student.get("masked_lm")
    if not run.finished or value is None:
        return None
    teacher = amount.decimal(run.models[TEACHER].get("masked_lm"), 3)
    return Tile(amount.decimal(value, 3), "held-out MLM loss", f"teacher {teacher}")
