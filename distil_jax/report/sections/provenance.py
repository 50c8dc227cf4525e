"""How the runs were set up, where they ran, and what they cost."""

from collections.abc import Callable, Mapping
from typing import Any

from distil_jax.planning import chips
from distil_jax.report import amount, paper
from distil_jax.report.document import Block, Columns, Missing, PageSection, Table, Text
from distil_jax.report.report_data import ReportData
from distil_jax.report.runs import Run, flat
from distil_jax.report.sections import wall_time
from distil_jax.report.sections.asked import shown

COSTS: tuple[tuple[str, str, Callable[[float | int], str]], ...] = (
    ("device_hours", "device-hours of training steps", lambda value: f"{value:.3g}"),
    ("devices", "devices", amount.count),
    ("tokens", "tokens trained on", amount.count),
    ("tokens_per_second", "tokens per second", amount.count),
    ("flops_per_token", "FLOPs per token", amount.short),
    ("flops", "FLOPs in all", amount.short),
    ("teacher_share", "teacher's share of the FLOPs", amount.percent),
)


NOTE = (
    "Device-hours are those of the training steps, compilation of the first included, validation "
    "and export not. FLOPs are those of matmuls, a multiplication and an addition each. The "
    f"paper's run: {paper.DEVICE_HOURS} V100-hours. What a step moves through a chip's memory, "
    "the other limit, is counted by python -m distil_jax.plan."
)


def settings(data: ReportData) -> PageSection | Missing | None:
    """Every key of the config, and versions and devices, folded away."""
    if not data.runs:
        return None
    keys = {data.called(run): run.settings for run in data.runs}
    facts = {data.called(run): flat(run.environment) for run in data.runs if run.environment}
    tables = [_table("Every key of the config", keys)]
    if facts:
        tables.append(_table("Where it ran: versions and devices", facts))
    return PageSection("settings", "Every setting", tables)


def cost(data: ReportData) -> PageSection | Missing | None:
    """Device-hours, tokens, FLOPs, the share of the devices' peak, and where the time went."""
    runs = [run for run in data.runs if run.cost]
    spent = wall_time.blocks(data)
    if not runs:
        return PageSection("cost", "Cost", spent) if spent else _rerun(data, "The cost")
    rows = [
        [label, *(_amount(run, name, form) for run in runs)]
        for name, label, form in COSTS
        if any(name in run.cost for run in runs)
    ]
    if any(shares := [_of_peak(run) for run in runs]):
        rows.append(["share of the devices' published peak", *(share or "-" for share in shares)])
    head = ("", *(data.called(run) if len(data.runs) > 1 else "" for run in runs))
    took: list[Block] = [Table("What training took", head, rows), Text(NOTE)]
    return PageSection("cost", "Cost and time", [Columns(took, spent)] if spent else took)


def _of_peak(run: Run) -> str:
    """Matmuls alone; empty where no peak of the device is published here."""
    hours, flops = run.cost.get("device_hours"), run.cost.get("flops")
    chip = chips.of_device(str(run.environment.get("device", "")))
    if chip is None or not hours or not flops:
        return ""
    return amount.percent(flops / (hours * 3600 * chip.flops))


def _amount(run: Run, name: str, form: Callable[[float | int], str]) -> str:
    value = run.cost.get(name)
    return form(value) if isinstance(value, int | float) else "-"


def _table(caption: str, settings: Mapping[str, Mapping[str, Any]]) -> Table:
    keys = dict.fromkeys(key for values in settings.values() for key in values)
    rows = [[key, *(shown(values, key) for values in settings.values())] for key in keys]
    return Table(caption, ("key", *settings), rows, folded=True, words=range(1 + len(settings)))


def _rerun(data: ReportData, what: str) -> Missing | None:
    """Runs of earlier versions, and unfinished ones, wrote nothing of it."""
    if not data.runs:
        return None
    workdir = data.runs[0].folder
    return Missing(
        f"{what} (a finished run of this version has it)",
        f"python -m distil_jax.main --config=CONFIG --workdir={workdir}",
    )
