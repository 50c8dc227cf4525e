"""How the runs were set up, where they ran, and what they cost."""

from collections.abc import Callable, Mapping
from typing import Any

from distil_jax.report import amount, paper
from distil_jax.report.document import Missing, PageSection, Table, Text
from distil_jax.report.report_data import ReportData
from distil_jax.report.runs import Run, flat

MAIN_SETTINGS: tuple[str, ...] = (
    "teacher",
    "student.layers",
    "student.initialize",
    "loss.WEIGHTS",
    "loss.temperature",
    "data.train",
    "batch.size",
    "batch.length",
    "optimizer.learning_rate",
    "total_steps",
    "epochs",
    "seed",
)
"""`loss.WEIGHTS` stands for the weights of the objectives that any of the runs uses."""

COSTS: tuple[tuple[str, str, Callable[[float | int], str]], ...] = (
    ("device_hours", "device-hours of training steps", lambda value: f"{value:.3g}"),
    ("devices", "devices", amount.count),
    ("tokens", "tokens trained on", amount.count),
    ("tokens_per_second", "tokens per second", amount.count),
    ("flops_per_token", "FLOPs per token", amount.short),
    ("flops", "FLOPs in all", amount.short),
    ("teacher_share", "teacher's share of the FLOPs", amount.percent),
)


def config(data: ReportData) -> PageSection | Missing | None:
    """The settings a reader asks for first, what differs between runs, then every key."""
    if not data.runs:
        return None
    settings = {data.called(run): run.settings for run in data.runs}
    keys = list(dict.fromkeys(key for values in settings.values() for key in values))
    differ = [key for key in keys if len({_shown(v, key) for v in settings.values()}) > 1]
    first = [key for key in _main_settings(data) if key in keys and key not in differ]
    blocks = [_table("Main settings", settings, [*differ, *first])]
    blocks.append(_table("Every key of the config", settings, keys, folded=True))
    if differ:
        blocks.insert(0, Text(f"The runs differ in {', '.join(differ)}."))  # type: ignore[arg-type]
    layers = {data.called(run): run.layers for run in data.runs if run.layers}
    if layers:
        rows = list(dict.fromkeys(name for facts in layers.values() for name in facts))
        caption = "Teacher layer -> student layer, counted from 1; 0 is the embeddings"
        blocks.insert(-1, _table(caption, layers, rows))
    return PageSection("config", "Config", blocks)


def _main_settings(data: ReportData) -> list[str]:
    used = dict.fromkeys(
        key
        for run in data.runs
        for name in run.objectives
        if run.settings.get(key := f"loss.{name}")
    )
    expanded = (list(used) if key == "loss.WEIGHTS" else [key] for key in MAIN_SETTINGS)
    return [key for keys in expanded for key in keys]


def environment(data: ReportData) -> PageSection | Missing | None:
    """Versions and devices."""
    facts = {data.called(run): flat(run.environment) for run in data.runs if run.environment}
    if not facts:
        return _rerun(data, "The environment")
    keys = list(dict.fromkeys(key for values in facts.values() for key in values))
    return PageSection("environment", "Environment", [_table("Where it ran", facts, keys)])


def cost(data: ReportData) -> PageSection | Missing | None:
    """Device-hours, tokens, FLOPs."""
    runs = [run for run in data.runs if run.cost]
    if not runs:
        return _rerun(data, "The cost in device-hours, tokens and FLOPs")
    rows = [
        [label, *(_amount(run, name, form) for run in runs)]
        for name, label, form in COSTS
        if any(name in run.cost for run in runs)
    ]
    note = (
        "Device-hours are those of the training steps, compilation of the first included, "
        "validation and export not. FLOPs are those of matrix products, a multiplication and an "
        f"addition each. The paper's run: {paper.DEVICE_HOURS} V100-hours."
    )
    head = ("amount", *(data.called(run) for run in runs))
    return PageSection("cost", "Cost", [Table("What training took", head, rows), Text(note)])


def _amount(run: Run, name: str, form: Callable[[float | int], str]) -> str:
    value = run.cost.get(name)
    return form(value) if isinstance(value, int | float) else "-"


def _shown(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    return "(empty)" if value == "" else amount.anything(value)


def _table(
    caption: str, settings: Mapping[str, Mapping[str, Any]], keys: list[str], folded: bool = False
) -> Table:
    rows = [[key, *(_shown(values, key) for values in settings.values())] for key in keys]
    return Table(caption, ("key", *settings), rows, folded, words=range(1 + len(settings)))


def _rerun(data: ReportData, what: str) -> Missing | None:
    """Runs of earlier versions, and unfinished ones, wrote nothing of it."""
    if not data.runs:
        return None
    workdir = data.runs[0].folder
    return Missing(
        f"{what} (a finished run of this version has it)",
        f"python -m distil_jax.main --config=CONFIG --workdir={workdir}",
    )
