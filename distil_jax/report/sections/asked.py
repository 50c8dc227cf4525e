"""What the runs were asked to do, in words, and which teacher layer feeds which student layer."""

from collections.abc import Callable, Mapping
from typing import Any

from distil_jax.configuration.objective_table import titles
from distil_jax.report import amount
from distil_jax.report.document import Block, Columns, Missing, PageSection, Pictures, Table, Text
from distil_jax.report.layer_map import picture
from distil_jax.report.report_data import ReportData
from distil_jax.report.runs import Run

Settings = Mapping[str, Any]
INITIALIZED = {
    "teacher": "the teacher's weights",
    "random": "random weights",
}
SELECTED = {"masked": "the masked tokens", "all": "all tokens"}
WEIGHT = "loss."


def section(data: ReportData) -> PageSection | Missing | None:
    """A row for each question that a reader has, a column for each run, and the layer map."""
    if not data.runs:
        return None
    rows = [
        [question, *answers]
        for question, answer in QUESTIONS.items()
        if any(answers := [answer(run) for run in data.runs])
    ]
    names = [data.called(run) if len(data.runs) > 1 else "" for run in data.runs]
    asked = Table("", ("", *names), rows, words=range(1 + len(names)))
    pictures = [drawn for run in data.runs if (drawn := picture(run, data.called(run)))]
    blocks: list[Block] = [*_differences(data), asked]
    if pictures:
        blocks = [*blocks[:-1], Columns([asked], [Pictures(pictures[:4])])]
    return PageSection("asked", "What was asked", blocks)


def _differences(data: ReportData) -> list[Block]:
    """Which keys differ between runs, and their values."""
    settings = {data.called(run): run.settings for run in data.runs}
    keys = dict.fromkeys(key for values in settings.values() for key in values)
    differ = [key for key in keys if len({shown(v, key) for v in settings.values()}) > 1]
    if not differ:
        return []
    rows = [[key, *(shown(values, key) for values in settings.values())] for key in differ]
    table = Table("What the runs differ in", ("key", *settings), rows, words=range(1 + len(rows)))
    return [Text(f"The runs differ in {', '.join(differ)}."), table]


def shown(values: Settings, key: str) -> str:
    """A setting as its user wrote it."""
    value = values.get(key)
    return "(empty)" if value == "" else amount.anything(value)


def _teacher(run: Run) -> str:
    settings = run.settings
    name = settings.get("teachers") or settings.get("teacher")
    if not name:
        return "none: pretraining" if run.config.get("model") else ""
    targets = f", its outputs stored in {settings['targets']}" if settings.get("targets") else ""
    return f"{name}{_shape(run.teacher_shape)}{targets}"


def _student(run: Run) -> str:
    start = run.settings.get("student.folder") or run.settings.get("student.initialize", "")
    shape = _shape(run.config.get("model") or {})
    first = INITIALIZED.get(start, start)
    return f"{shape.removeprefix(', ')}{'; begins with ' + first if first else ''}"


def _shape(shape: Mapping[str, Any]) -> str:
    if not shape.get("layers"):
        return ""
    return f", {amount.counted(shape['layers'], 'layer')} of width {shape['hidden_size']}"


def _objectives(run: Run) -> str:
    settings, words = run.settings, titles()
    terms = [
        f"{amount.anything(settings[WEIGHT + name])} x {words.get(name, label)}"
        for name, label in run.objectives.items()
        if settings.get(WEIGHT + name)
    ]
    return " + ".join(terms)


def _softened(run: Run) -> str:
    settings = run.settings
    if not settings.get("loss.soft_target"):
        return ""
    at = SELECTED.get(settings.get("loss.positions", ""), "")
    temperature = f"temperature {amount.anything(settings.get('loss.temperature'))}"
    return f"{temperature}, at {at}" if at else temperature


def _text(run: Run) -> str:
    settings, rows = run.settings, run.config.get("rows") or {}
    many = f": {amount.counted(rows['count'], 'row')} of {rows['length']} tokens" if rows else ""
    return f"{settings['data.train']}{many}" if settings.get("data.train") else ""


def _length(run: Run) -> str:
    settings = run.settings
    steps = run.total_steps or settings.get("total_steps")
    if not steps:
        epochs = settings.get("epochs")
        return f"{amount.anything(epochs)} epochs" if epochs else ""
    size = settings.get("batch.size")
    rows = f" of {amount.counted(size, 'row')}" if size else ""
    return f"{amount.counted(steps, 'step')}{rows}"


def _optimizer(run: Run) -> str:
    settings = run.settings
    if not settings.get("optimizer.learning_rate"):
        return ""
    rate = f"learning rate {amount.anything(settings['optimizer.learning_rate'])}"
    parts = [settings.get("optimizer.name", "adamw"), rate, settings.get("optimizer.schedule", "")]
    clip = settings.get("optimizer.clip")
    parts.append(f"gradients clipped at {amount.anything(clip)}" if clip else "")
    return ", ".join(filter(None, parts))


def _device(run: Run) -> str:
    device, count = run.environment.get("device"), run.environment.get("devices", 1)
    return f"{count} x {device}" if device else ""


QUESTIONS: Mapping[str, Callable[[Run], str]] = {
    "Teacher": _teacher,
    "Student": _student,
    "Minimises": _objectives,
    "Soft targets": _softened,
    "Text": _text,
    "Length": _length,
    "Optimizer": _optimizer,
    "Seed": lambda run: amount.anything(run.settings.get("seed")),
    "Ran on": _device,
}
