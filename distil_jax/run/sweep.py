"""A sweep over variants of a config and seeds; every member is a run, finished ones are kept."""

import json
import shutil
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from distil_jax.configuration.difference import difference
from distil_jax.configuration.schema import Config, as_dict
from distil_jax.errors import Diverged, UsageError, UserError
from distil_jax.models import choose_layers
from distil_jax.report.json_files import read_object
from distil_jax.report.measurements import ABLATIONS
from distil_jax.report.runs import read_run
from distil_jax.report.sections import ablations as section
from distil_jax.run import distillation, identity
from distil_jax.run.data import Rows, prepare_rows
from distil_jax.run.model_figures import DISTILLED, INITIALISED
from distil_jax.run.setup import load_inputs
from distil_jax.run.stored_targets import Stored
from distil_jax.run.variants import ALL, Variant, variants
from distil_jax.storage import atomic
from distil_jax.storage.atomic import write_text, writing
from distil_jax.storage.lock import lock
from distil_jax.training.progress import Display
from distil_jax.training.stopping import Sigterm
from distil_jax.training.workdir import resolve

RUNS = "runs"
STARTS = ("masked_lm", "agreement")
MEASURES = ("masked_lm", "accuracy", "agreement", *(f"initial_{name}" for name in STARTS))

ScoreStudent = Callable[[Path], Mapping[str, float]]
"""From a student's folder to further figures of it, such as the scores of tasks."""


@dataclass(frozen=True)
class Sweep:
    """What all members share.

    Attributes:
      digests: digests of the teacher's weights and of the rows, as in a member's config.json.
      score: further figures of each finished student.
    """

    config: Config
    output: Path
    command: str
    seeds: tuple[int, ...]
    variants: tuple[Variant, ...]
    digests: Mapping[str, Any]
    score: ScoreStudent | None


def sweep(
    config: Config,
    output: Path,
    *,
    seeds: int,
    layers: Sequence[str] | None,
    command: str,
    score: ScoreStudent | None = None,
) -> None:
    """Run every variant with every seed, or what is missing of that, and write the table.

    Seeds go up from the config's own and vary slowest, so that a sweep that is stopped has compared
    all variants on the seeds it got through. Raises `UserError` before anything is written.
    """
    inputs = load_inputs(config, partial(_types_begun_with, output))
    config = inputs.config
    models = inputs.models
    teacher = models.teacher or models.origin
    assert teacher is not None or not config.teacher
    depth = teacher.config.layers if teacher else 0
    chosen = variants(config, depth, layers)
    if models.stored is not None:
        _check_targets(models.stored, config, chosen, seeds)
    with Sigterm(), lock(output):
        rows = prepare_rows(config, resolve(output), models.tokenizer, inputs.rows)
        digests = identity.with_data(identity.of(config, models), *rows)
        shared = Sweep(
            _with_rows(config, output, inputs.rows),
            output,
            command,
            tuple(range(config.seed, config.seed + seeds)),
            chosen,
            {name: digests[name] for name in identity.DIGESTS},
            score,
        )
        _run_all(shared, Display())


def _types_begun_with(output: Path) -> dict[str, str]:
    """What the members that there are compute in; empty without any."""
    begun = map(identity.types_begun_with, sorted((output / RUNS).glob("*/*")))
    return next(filter(None, begun), {})


def _check_targets(stored: Stored, config: Config, chosen: Sequence[Variant], seeds: int) -> None:
    """Refuse targets that do not serve every variant, or the masks of other seeds."""
    if seeds > 1:
        raise UsageError(
            f"config.targets={config.targets} hold the masks of seed {config.seed} alone; sweep "
            "with --seeds=1, or leave config.targets empty"
        )
    for variant in chosen:
        varied = variant.apply(config, seed=config.seed)
        teacher = stored.source.config
        layers = choose_layers(teacher.layers, varied.student.layers)
        block = teacher.block.of_layers(layers)
        student = replace(stored.source.student, layers=len(layers), block=block)
        try:
            stored.for_student(student).check(varied)
        except UserError as error:
            raise UserError(
                f"{variant.name}: {error}; `cache --layers=all` stores every layer's hidden states"
            ) from error


def _with_rows(config: Config, output: Path, rows: Rows) -> Config:
    """The config with the rows that were prepared for all members."""
    data = config.data
    if rows.train is None:
        data = replace(data, train=str(output / "data"))
    if rows.validation is None and data.validation:
        data = replace(data, validation=str(output / "validation_data"))
    return replace(config, data=data)


def _run_all(shared: Sweep, display: Display) -> None:
    figures: dict[str, list[dict[str, Any]]] = {variant.name: [] for variant in shared.variants}
    members = [(seed, variant) for seed in shared.seeds for variant in shared.variants]
    for number, (seed, variant) in enumerate(members, 1):
        display.say(f"member {number} of {len(members)}: {variant.name}, seed {seed}")
        figures[variant.name].append(_member(shared, variant, seed, display))
        content = _content(shared, figures)
        write_text(shared.output / ABLATIONS, json.dumps(content, indent=2) + "\n")
    with writing(shared.output):
        for name, file in section.files_of(content).items():
            atomic.write_bytes(shared.output / name, file)
    display.console.print(section.terminal(content))
    display.say(f"table: {shared.output / section.TABLE}")


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
    models = read_run(workdir).models
    results = {**models[DISTILLED], **_at_start(models[INITIALISED])}
    extra = shared.score(workdir / "student") if shared.score else {}
    return {**figures, **{name: results[name] for name in MEASURES if name in results}, **extra}


def _at_start(figures: Mapping[str, Any]) -> dict[str, Any]:
    """The figures right after initialisation, under names of their own."""
    return {f"initial_{name}": figures[name] for name in STARTS if name in figures}


def _is_finished(shared: Sweep, config: Config, workdir: Path) -> bool:
    """Whether this very run ended here: its results are the last thing a run writes."""
    if not (workdir / "results.json").is_file():
        return False
    saved = identity.of_today(read_object(workdir / identity.FILE))
    wanted = identity.comparable(saved, {"run": as_dict(config), **shared.digests})
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
