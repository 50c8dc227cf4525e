"""From what was read to the document of a report."""

from collections.abc import Callable

from distil_jax.report.document import Document, Missing, PageSection
from distil_jax.report.report_data import ReportData
from distil_jax.report.sections import (
    ablations,
    asked,
    loss_curves,
    overview,
    provenance,
    quality,
    run_health,
    size,
    speed,
    warnings,
)

SECTIONS: tuple[Callable[[ReportData], PageSection | Missing | None], ...] = (
    warnings.section,
    overview.section,
    quality.section,
    asked.section,
    loss_curves.section,
    run_health.section,
    ablations.section,
    speed.section,
    provenance.cost,
    size.section,
    provenance.settings,
)


def document(data: ReportData, *, when: str) -> Document:
    """The whole page; parts that nothing is known of become hints."""
    parts = [section(data) for section in SECTIONS]
    return Document(
        title=_title(data),
        subtitle=_subtitle(data, when),
        sections=[part for part in parts if isinstance(part, PageSection)],
        missing=[part for part in parts if isinstance(part, Missing)],
        verdict=warnings.verdict(data),
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
    text = "; ".join([*steps, f"report of {when}"])
    return f"{text[0].upper()}{text[1:]}."
