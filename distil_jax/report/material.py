"""All that one report is made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distil_jax.report import names
from distil_jax.report.runs import Run
from distil_jax.report.scores import Score
from distil_jax.report.speed import Speed


@dataclass(frozen=True)
class Material:
    """Runs, and what was measured of their models.

    Attributes:
      speeds: by the name under which they are shown.
      ablations: the contents of ablations.json files.
    """

    runs: Sequence[Run] = ()
    scores: Sequence[Score] = ()
    speeds: Mapping[str, Speed] = field(default_factory=dict)
    ablations: Sequence[Mapping[str, Any]] = ()

    def called(self, run: Run) -> str:
        """The run's name, with as much of its folder's path as tells it from the other runs."""
        shown = names.apart([Path(other.folder).resolve() for other in self.runs])
        return next(name for name, other in zip(shown, self.runs, strict=True) if other is run)

    def of(self, run: Run, what: str) -> str:
        """What a run's teacher or student is called in this report."""
        return f"{self.called(run)}: {what}" if len(self.runs) > 1 else what
