"""Held-out figures, sizes and rates of a run's models: before the first step, and at the end."""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from distil_jax.configuration.objective_table import labels, language_loss
from distil_jax.distributed.coordination import broadcast_from_primary, is_primary
from distil_jax.models import EncoderConfig
from distil_jax.models.types import Params
from distil_jax.profiling.inference import one_sentence_a_row, sentences_per_second
from distil_jax.report import json_files
from distil_jax.report.runs import OBJECTIVES, check_models
from distil_jax.run import own_files
from distil_jax.run.setup import Setup
from distil_jax.storage.atomic import write_text
from distil_jax.tokenizer import special_ids
from distil_jax.training.assemble import module
from distil_jax.training.parallel import Devices
from distil_jax.training.step import Constants, StepSpec
from distil_jax.training.targets import LiveTeacher, LiveTeachers, NoTargets
from distil_jax.training.validation import ModelParams, Validate, validator

Scores = dict[str, dict[str, float | int]]

TEACHER, INITIALISED = "teacher", "student, initialised"
DISTILLED, PRETRAINED = "student, distilled", "student, pretrained"
TIMED_SENTENCES = 64


def baseline(
    setup: Setup, validate: Validate, teacher_params: ModelParams | None, params: Params
) -> Scores:
    """Held-out figures of the teacher and of the student before its first step, measured once."""
    path = setup.folder / "baseline.json"
    if is_primary():
        # A report made later need not know the objectives of this run.
        write_text(setup.folder / OBJECTIVES, json.dumps(labels(), indent=2) + "\n")

    def earlier() -> Scores | None:
        return own_files.read(path, _check_baseline)

    if (measured := broadcast_from_primary("baseline", earlier)) is not None:
        return measured
    scores = {INITIALISED: validate(params)}
    run = setup.spec
    if setup.models.stored is not None:
        found = dict(setup.models.stored.notes["teacher"])
        del found["parameters"]
        scores = {TEACHER: found, **scores}
    elif isinstance(run.targets, LiveTeacher | LiveTeachers) and setup.teacher_predicts:
        assert teacher_params is not None
        batches, rows = setup.validation_batches, setup.shares.micro_rows
        score = teacher_figures(run, setup.devices, batches, teacher_params, micro_rows=rows)
        scores = {TEACHER: score, **scores}
    if is_primary():
        write_text(path, json.dumps(scores, indent=2) + "\n")
    return scores


def _check_baseline(scores: dict[str, Any], path: Path) -> None:
    json_files.part(scores, INITIALISED, dict, path)
    check_models(scores, path)


def teacher_figures(
    spec: StepSpec,
    devices: Devices,
    batches: Callable[[], Iterable[Mapping[str, np.ndarray]]],
    teacher_params: ModelParams,
    *,
    micro_rows: int,
) -> dict[str, float | int]:
    """Held-out figures of the teacher itself, or of several teachers' averaged probabilities."""
    assert isinstance(spec.targets, LiveTeacher | LiveTeachers)
    scored: Any = spec.targets.model  # several are scored as one model is
    alone = dataclasses.replace(spec, student=scored, targets=NoTargets())
    score = validator(alone, devices, Constants(), batches, micro_rows=micro_rows)(teacher_params)
    return {name: score[name] for name in (language_loss(score), "perplexity", "accuracy")}


def final(setup: Setup, before: Scores, after: Mapping[str, float | int], params: Params) -> Scores:
    """All figures of teacher, initialised and finished student, in this order."""
    last = DISTILLED if setup.models.distils else PRETRAINED
    scores = {name: dict(values) for name, values in before.items()} | {last: dict(after)}
    if setup.models.teacher is not None and TEACHER not in scores:
        scores = {TEACHER: {}, **scores}  # without a masked-LM head nothing measures it alone
    if (table := setup.models.text_table) is not None and table.notes.get("parameters"):
        scores = {TEACHER: {"parameters": table.notes["parameters"]}, **scores}
    models: dict[str, tuple[EncoderConfig, Params]] = {last: (setup.models.student, params)}
    if setup.models.teacher is not None:
        models[TEACHER] = (setup.models.teacher.config, setup.models.teacher.params)
        if setup.teacher_predicts:
            scores[TEACHER]["agreement"] = 1.0
    if setup.models.stored is not None:
        parameters = setup.models.stored.notes["teacher"]["parameters"]
        scores[TEACHER] |= {"agreement": 1.0, "parameters": parameters}
    for name, figures in _costs(setup, models).items():
        scores[name] |= figures
        if name == TEACHER and setup.models.others:  # all of them run, one after another
            scores[name]["parameters"] = setup.models.teacher_parameters
            scores[name]["sentences_per_second"] /= len(setup.models.teachers)
        if name == last:  # the same program before the first step
            scores[INITIALISED] |= figures
    return scores


def _costs(setup: Setup, models: dict[str, tuple[EncoderConfig, Params]]) -> Scores:
    modules = {
        name: (module(setup.config, shape, "float32"), params)
        for name, (shape, params) in models.items()
    }
    rates = sentences_per_second(modules, _sentences(setup))
    return {
        name: {
            "parameters": sum(leaf.size for leaf in jax.tree.leaves(params)),
            "sentences_per_second": rates[name],
        }
        for name, (_, params) in models.items()
    }


def _sentences(setup: Setup) -> dict[str, Any]:
    rows = setup.validation_data.gather(range(min(setup.validation_data.rows, TIMED_SENTENCES)))
    pad = special_ids(setup.models.tokenizer).pad
    return one_sentence_a_row(**rows, sentences=TIMED_SENTENCES, pad=pad)
