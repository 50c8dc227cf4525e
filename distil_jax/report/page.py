"""From what was read to the document of a report."""

from collections.abc import Callable

from distil_jax.report.document import Document, Missing, PageSection
from distil_jax.report.report_data import ReportData
from distil_jax.report.sections import (
    ablations,
    loss_curves,
    overview,
    provenance,
    quality,
    run_health,
    size,
    speed,
    wall_time,
)

SECTIONS: tuple[Callable[[ReportData], PageSection | Missing | None], ...] = (
    overview.section,
    quality.section,
    size.section,
    speed.section,
    loss_curves.section,
    ablations.section,
    run_health.section,
    wall_time.section,
    provenance.config,
    provenance.environment,
    provenance.cost,
)


def document(data: ReportData, *, when: str) -> Document:
    """The whole page; parts that nothing is known of become hints."""
    parts = [section(data) for section in SECTIONS]
    return Document(
        title=_title(data),
        subtitle=_subtitle(data, when),
        sections=[part for part in parts if isinstance(part, PageSection)],
        missing=[part for part in parts if isinstance(part, Missing)],
    )


def _title(data: ReportData) -> str:
    if len(data.runs) == 1:
        run = data.runs[0]
        return f"{run.name}: a student of {run.teacher}" if run.teacher else f"{run.name}"
    if data.runs:
        return f"{len(data.runs)} runs compared"
    return "Measurements"


def _subtitle(data: ReportData, when: str) -> str:
    steps = [
        f"{data.of(run, 'trained')} for {run.total_steps:,} steps"
        for run in data.runs
        if run.finished
    ]
    return "; ".join([*steps, f"report of {when}"]) + "."
