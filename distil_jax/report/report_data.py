"""All that one report is made from, and how it is read from folders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distil_jax.errors import UsageError
from distil_jax.report.measurements import (
    SPEED,
    Speed,
    TaskScore,
    find_scores,
    read_speed,
    read_sweep,
    scores_in_run,
)
from distil_jax.report.runs import Run, read_run


@dataclass(frozen=True)
class ReportData:
    """Runs, and what was measured of their models.

    Attributes:
      speeds: by the name under which they are shown.
      ablations: the contents of ablations.json files.
    """

    runs: Sequence[Run] = ()
    scores: Sequence[TaskScore] = ()
    speeds: Mapping[str, Speed] = field(default_factory=dict)
    ablations: Sequence[Mapping[str, Any]] = ()

    def called(self, run: Run) -> str:
        """The run's name, with as much of its folder's path as makes it unique."""
        shown = disambiguate([Path(other.folder).resolve() for other in self.runs])
        return next(name for name, other in zip(shown, self.runs, strict=True) if other is run)

    def of(self, run: Run, what: str) -> str:
        """What a run's teacher or student is called in this report."""
        return f"{self.called(run)}: {what}" if len(self.runs) > 1 else what


def gather(
    run_folders: Sequence[Path],
    score_folders: Sequence[Path] = (),
    speed_folders: Sequence[Path] = (),
    ablation_folders: Sequence[Path] = (),
) -> ReportData:
    """Read all folders, and `scores` and `speed` in those of the runs.

    Raises `UserError` naming the folder or file that is missing, damaged or foreign, `UsageError`
    for nothing at all or one run twice.
    """
    if not (run_folders or score_folders or speed_folders or ablation_folders):
        raise UsageError("nothing to report; give --run, --scores, --speed or --ablations")
    resolved = [folder.resolve() for folder in run_folders]
    for folder in run_folders:
        if resolved.count(folder.resolve()) > 1:
            raise UsageError(f"--run={folder} is given twice")
    runs = [read_run(folder) for folder in run_folders]
    own_scores = [score for folder in run_folders for score in scores_in_run(folder)]
    different = {folder.resolve(): folder for folder in score_folders}.values()
    given = [score for score in find_scores(different) if score not in own_scores]
    own_speeds = [folder / "speed" for folder in run_folders]
    speeds = [*(folder for folder in own_speeds if (folder / SPEED).is_file()), *speed_folders]
    return ReportData(
        runs=runs,
        scores=[*own_scores, *given],
        speeds=dict(zip(_speed_names(speeds), map(read_speed, speeds), strict=True)),
        ablations=[read_sweep(folder) for folder in ablation_folders],
    )


def disambiguate(folders: Sequence[Path]) -> list[str]:
    """The name of each resolved folder; where it repeats, as much of its path as it takes."""
    names = [folder.name for folder in folders]
    for parts in range(2, max((len(folder.parts) for folder in folders), default=0) + 1):
        names = [
            "/".join(folder.parts[-parts:]) if names.count(name) > 1 else name
            for folder, name in zip(folders, names, strict=True)
        ]
    return names


def _speed_names(folders: Sequence[Path]) -> list[str]:
    """A run's name for its own measurement, the folder's for any other."""
    resolved = [folder.resolve() for folder in folders]
    return disambiguate(
        [folder.parent if folder.name == "speed" else folder for folder in resolved]
    )
