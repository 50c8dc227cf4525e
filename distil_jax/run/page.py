"""The report that a finished run writes into its workdir."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from distil_jax.report import page, runs, scores, speed, write
from distil_jax.report.material import Material
from distil_jax.run.scores import INITIALISED, Scores
from distil_jax.run.setup import Setup
from distil_jax.storage import atomic
from distil_jax.storage.address import basename
from distil_jax.storage.atomic import writing
from distil_jax.training.workdir import Workdir

HTML = write.HTML


def write_page(
    setup: Setup,
    results: Mapping[str, Any],
    before: Scores,
    lines: Sequence[Mapping[str, Any]],
) -> None:
    """report.html, report.md and figures, with the scores and speeds measured here before."""
    workdir = setup.folder
    run = runs.Run(
        name=_name(setup.workdir),
        folder=setup.workdir.address,
        config=json.loads(json.dumps(setup.identity)),
        models=results["models"],
        initial=before[INITIALISED],
        lines=lines,
        total_steps=results["total_steps"],
        health=runs.health(workdir),
        environment=results["environment"],
        cost=results["cost"],
    )
    measured = workdir / "speed"
    material = Material(
        runs=[run],
        scores=scores.in_run(workdir),
        speeds={run.name: speed.read(measured)} if (measured / speed.FILE).is_file() else {},
    )
    document = page.document(material, when=datetime.now(UTC).strftime("%Y-%m-%d"))
    files = write.files(document)
    with writing(workdir):
        (workdir / write.FIGURES).mkdir(exist_ok=True)
        for name, content in files.items():
            atomic.write_bytes(workdir / name, content)


def _name(workdir: Workdir) -> str:
    return workdir.folder.resolve().name if workdir.bucket is None else basename(workdir.address)
