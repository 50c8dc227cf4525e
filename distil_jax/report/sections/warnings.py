"""What a reader must know before anything else: warnings, and runs that are not finished."""

from distil_jax.report import amount
from distil_jax.report.document import Block, Missing, Notes, PageSection
from distil_jax.report.report_data import ReportData
from distil_jax.report.runs import Run

SHOWN_WARNINGS = 20


def section(data: ReportData) -> PageSection | Missing | None:
    """The warnings of every run; nothing where there are none."""
    remarks = [text for run in data.runs for text in _unfinished(data, run) + _given(data, run)]
    blocks: list[Block] = [Notes(remarks, serious=True)] if remarks else []
    return PageSection("warnings", "Warnings", blocks) if blocks else None


def verdict(data: ReportData) -> tuple[str, bool] | None:
    """How the runs went, in a few words, and whether that is well; None where nothing is known."""
    if not any(run.health for run in data.runs):
        return None
    number = sum(len(run.health.get("warnings", [])) for run in data.runs)
    if number:
        return f"{amount.counted(number, 'warning')}: read these first", False
    if not all(run.finished for run in data.runs):
        return "healthy so far, not finished", True
    return "healthy: no warning", True


def _unfinished(data: ReportData, run: Run) -> list[str]:
    if run.finished:
        return []
    return [f"{data.called(run)} has not finished: rerun the same command to resume"]


def _given(data: ReportData, run: Run) -> list[str]:
    warnings = run.health.get("warnings", [])
    remarks = [
        f"{data.of(run, _when(warning.get('step')))}: {warning['message']}"
        for warning in warnings[:SHOWN_WARNINGS]
    ]
    if len(warnings) > SHOWN_WARNINGS:
        remarks.append(f"and {len(warnings) - SHOWN_WARNINGS} more in {run.folder}/health.json")
    return remarks


def _when(step: object) -> str:
    return f"step {amount.anything(step)}" if step else "before the first step"
