"""From what was read to a document, and from folders to what is read."""

from collections.abc import Callable, Sequence
from pathlib import Path

from distil_jax.errors import UsageError
from distil_jax.report import ablations, names, runs, scores, speed
from distil_jax.report.document import Document, Missing, Section
from distil_jax.report.material import Material
from distil_jax.report.sections import ablations as ablation_section
from distil_jax.report.sections import goodput, health, losses, overview, quality, settings, size
from distil_jax.report.sections import speed as speed_section

SECTIONS: tuple[Callable[[Material], Section | Missing | None], ...] = (
    overview.section,
    quality.section,
    size.section,
    speed_section.section,
    losses.section,
    ablation_section.section,
    health.section,
    goodput.section,
    settings.config,
    settings.environment,
    settings.cost,
)


def gather(
    run_folders: Sequence[Path],
    score_folders: Sequence[Path] = (),
    speed_folders: Sequence[Path] = (),
    ablation_folders: Sequence[Path] = (),
) -> Material:
    """Read all folders, and what lies in `scores` and `speed` of the runs' own.

    Raises `UserError` naming the folder or file that is missing, damaged or foreign, `UsageError`
    for nothing at all or one run twice.
    """
    if not (run_folders or score_folders or speed_folders or ablation_folders):
        raise UsageError("nothing to report; give --run, --scores, --speed or --ablations")
    resolved = [folder.resolve() for folder in run_folders]
    for folder in run_folders:
        if resolved.count(folder.resolve()) > 1:
            raise UsageError(f"--run={folder} is given twice")
    found = [runs.read(folder) for folder in run_folders]
    own_scores = [score for folder in run_folders for score in scores.in_run(folder)]
    different = {folder.resolve(): folder for folder in score_folders}.values()
    given = [score for score in scores.find(different) if score not in own_scores]
    own_speeds = [folder / "speed" for folder in run_folders]
    speeds = [*(folder for folder in own_speeds if (folder / speed.FILE).is_file()), *speed_folders]
    return Material(
        runs=found,
        scores=[*own_scores, *given],
        speeds=dict(zip(_speed_names(speeds), map(speed.read, speeds), strict=True)),
        ablations=[ablations.read(folder) for folder in ablation_folders],
    )


def document(material: Material, *, when: str) -> Document:
    """The whole page; parts that nothing is known of become hints."""
    made = [make(material) for make in SECTIONS]
    return Document(
        title=_title(material),
        subtitle=_subtitle(material, when),
        sections=[part for part in made if isinstance(part, Section)],
        missing=[part for part in made if isinstance(part, Missing)],
    )


def _speed_names(folders: Sequence[Path]) -> list[str]:
    """A run's name for its own measurement, the folder's for any other."""
    resolved = [folder.resolve() for folder in folders]
    return names.apart([one.parent if one.name == "speed" else one for one in resolved])


def _title(material: Material) -> str:
    if len(material.runs) == 1:
        run = material.runs[0]
        return f"{run.name}: a student of {run.teacher}" if run.teacher else f"{run.name}"
    if material.runs:
        return f"{len(material.runs)} runs compared"
    return "Measurements"


def _subtitle(material: Material, when: str) -> str:
    steps = [
        f"{material.of(run, 'trained')} for {run.total_steps:,} steps"
        for run in material.runs
        if run.finished
    ]
    return "; ".join([*steps, f"report of {when}"]) + "."
