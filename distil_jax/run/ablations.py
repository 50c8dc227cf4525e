"""A sweep over variants and seeds; each member is an ordinary run, and what is finished is kept."""

import json
import shutil
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from distil_jax.configuration.difference import difference
from distil_jax.configuration.schema import Config, as_dict
from distil_jax.errors import Diverged
from distil_jax.report import ablations as page
from distil_jax.report.files import read_object
from distil_jax.report.runs import read as read_run
from distil_jax.run import distillation, identity, rows
from distil_jax.run.scores import DISTILLED
from distil_jax.run.variants import ALL, Variant, variants
from distil_jax.storage import atomic
from distil_jax.storage.atomic import write_text, writing
from distil_jax.storage.lock import lock
from distil_jax.training import assemble
from distil_jax.training.progress import Display
from distil_jax.training.stopping import Sigterm
from distil_jax.training.workdir import resolve

RUNS = "runs"
MEASURES = ("masked_lm", "accuracy", "agreement")

Score = Callable[[Path], Mapping[str, float]]
"""From a student's folder to further figures of it, such as the scores of tasks."""


@dataclass(frozen=True)
class Sweep:
    """What all members share.

    Attributes:
      belongs: digests of the teacher's weights and of the rows, as in a member's config.json.
      score: further figures of each finished student.
    """

    config: Config
    output: Path
    command: str
    seeds: tuple[int, ...]
    variants: tuple[Variant, ...]
    belongs: Mapping[str, Any]
    score: Score | None


def sweep(
    config: Config,
    output: Path,
    *,
    seeds: int,
    layers: Sequence[str] | None,
    command: str,
    score: Score | None = None,
) -> None:
    """Run every variant with every seed, or what is missing of that, and write the table.

    Seeds go up from the config's own and vary slowest, so that a sweep that is stopped has compared
    all variants on the seeds it got through. Raises `UserError` before anything is written.
    """
    models = assemble.models(config)
    assert models.teacher is not None or not config.teacher
    depth = models.teacher.config.layers if models.teacher else 0
    chosen = variants(config, depth, layers)
    found = rows.find(config, models)
    with Sigterm(), lock(output):
        both = rows.prepare(config, resolve(output), models, found)
        belongs = identity.with_data(identity.of(config, models), *both)
        shared = Sweep(
            _with_rows(config, output, found),
            output,
            command,
            tuple(range(config.seed, config.seed + seeds)),
            chosen,
            {name: belongs[name] for name in identity.DIGESTS},
            score,
        )
        _run_all(shared, Display())


def _with_rows(config: Config, output: Path, found: rows.Rows) -> Config:
    """The config with the rows that were prepared for all members."""
    data = config.data
    if found.train is None:
        data = replace(data, train=str(output / "data"))
    if found.held_out is None and data.validation:
        data = replace(data, validation=str(output / "validation_data"))
    return replace(config, data=data)


def _run_all(shared: Sweep, display: Display) -> None:
    figures: dict[str, list[dict[str, Any]]] = {variant.name: [] for variant in shared.variants}
    members = [(seed, variant) for seed in shared.seeds for variant in shared.variants]
    for number, (seed, variant) in enumerate(members, 1):
        display.say(f"member {number} of {len(members)}: {variant.name}, seed {seed}")
        figures[variant.name].append(_member(shared, variant, seed, display))
        content = _content(shared, figures)
        write_text(shared.output / page.FILE, json.dumps(content, indent=2) + "\n")
    with writing(shared.output):
        for name, file in page.files_of(content).items():
            atomic.write_bytes(shared.output / name, file)
    display.console.print(page.terminal(content))
    display.say(f"table: {shared.output / page.TABLE}")


def _member(shared: Sweep, variant: Variant, seed: int, display: Display) -> dict[str, Any]:
    """The figures of one run, from before if it is finished already."""
    config = variant.apply(shared.config, seed=seed)
    workdir = shared.output / RUNS / variant.folder / f"seed_{seed}"
    figures = {"seed": seed, "workdir": str(workdir.relative_to(shared.output))}
    if _is_finished(shared, config, workdir):
        display.say("finished before")
    else:
        try:
            distillation.run(config, workdir, shared.command)
        except Diverged as error:
            display.say(str(error))
            return {**figures, "diverged": str(error)}
        # The student and its figures stay; a sweep's checkpoints would fill the disk.
        shutil.rmtree(workdir / "checkpoints", ignore_errors=True)
    results = read_run(workdir).models[DISTILLED]
    extra = shared.score(workdir / "student") if shared.score else {}
    return {**figures, **{name: results[name] for name in MEASURES if name in results}, **extra}


def _is_finished(shared: Sweep, config: Config, workdir: Path) -> bool:
    """Whether this very run ended here: its results are the last thing a run writes."""
    if not (workdir / "results.json").is_file():
        return False
    saved = identity.of_today(read_object(workdir / identity.FILE))
    wanted = identity.comparable(saved, {"run": as_dict(config), **shared.belongs})
    return not difference(
        {name: saved.get(name) for name in wanted}, wanted, ignore=identity.free_to_change()
    )


def _content(shared: Sweep, figures: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    base = {run["seed"]: run for run in figures[ALL]}
    return {
        "command": shared.command,
        "teacher": shared.config.teacher,
        "config": as_dict(shared.config),
        "variants": [
            {
                "name": variant.name,
                "changes": dict(variant.changes),
                "runs": figures[variant.name],
                "figures": _spread(figures[variant.name]),
                "change": _spread([_minus(run, base) for run in figures[variant.name]]),
            }
            for variant in shared.variants
        ],
    }


def _minus(run: Mapping[str, Any], base: Mapping[int, Mapping[str, Any]]) -> dict[str, float]:
    """A run's figures less those of the unchanged run with the same seed."""
    same = base.get(run["seed"], {})
    return {name: run[name] - same[name] for name in _measured(run) if name in same}


def _spread(runs: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    names = list(dict.fromkeys(name for run in runs for name in _measured(run)))
    values = {name: [run[name] for run in runs if name in run] for name in names}
    return {
        name: {"median": statistics.median(found), "min": min(found), "max": max(found)}
        for name, found in values.items()
    }


def _measured(run: Mapping[str, Any]) -> list[str]:
    return [name for name, value in run.items() if name != "seed" and isinstance(value, float)]
