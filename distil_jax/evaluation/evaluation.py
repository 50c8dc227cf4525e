"""An evaluation from its settings to results.json: seed by seed, resumable."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from distil_jax.evaluation import fine_tuning_plan, grid, results
from distil_jax.evaluation.fine_tuner import FineTuner, fine_tuner
from distil_jax.evaluation.fine_tuning_plan import FineTuningPlan
from distil_jax.evaluation.initial import initial_params, rescaled
from distil_jax.evaluation.output_folder import IDENTITY, check_identity
from distil_jax.evaluation.seed import (
    HEALTH,
    METRICS,
    TENSORBOARD,
    SeedProgress,
    Trained,
    calibrate,
    describe,
    train,
)
from distil_jax.evaluation.settings import Settings
from distil_jax.evaluation.split_files import further_files, main_files
from distil_jax.evaluation.zero_shot import ZeroShotTeacher, own_metrics
from distil_jax.models.types import Params
from distil_jax.pretrained import CardHeader, Pretrained, model_card, model_noun, save
from distil_jax.storage.atomic import new_folder, write_text, writing
from distil_jax.storage.lock import lock
from distil_jax.tasks.files import read_json
from distil_jax.tasks.kind import EvalSplit
from distil_jax.tasks.task_objectives import TITLES
from distil_jax.tasks.task_scores import Metrics
from distil_jax.training.checkpoint_steps import check_path
from distil_jax.training.metrics_file import read as read_metrics
from distil_jax.training.progress import Display
from distil_jax.training.stopping import Sigterm

FINISHED, CURVES = "result.json", "curves.png"


Draw = Callable[[Sequence[Mapping[str, Any]], Mapping[str, str], Path], None]
"""Draws the losses of logged lines, titled by name, into a file."""


def evaluate(settings: Settings, command: str, draw: Draw | None = None) -> dict[str, Any]:
    """Fine-tune and score every seed that is not finished yet, and write results.json.

    Each seed's folder has its metrics.jsonl, health.json, TensorBoard's files and, by `draw`, its
    curves.

    Raises:
        UserError: something given is wrong, or the folder holds another evaluation.
        Diverged: a seed's loss is no longer finite, or that of every learning rate tried.
    """
    display = Display()
    with Sigterm() as sigterm:
        check_identity(settings.output, None)
        if settings.epochs != 0:
            check_path(settings.output)
        plan = fine_tuning_plan.make(settings)
        with lock(settings.output) as folder:
            check_identity(folder, plan.identity)
            write_text(folder / IDENTITY, json.dumps(dict(plan.identity), indent=2) + "\n")
            announce(plan, display.say)
            output = _Output(folder, command, draw)
            return _run(plan, output, display, sigterm)


@dataclass(frozen=True)
class _Output:
    """Where the results go, what they are said to be made by, and what draws their curves."""

    folder: Path
    command: str
    draw: Draw | None


def announce(plan: FineTuningPlan, say: Callable[[str], None]) -> None:
    """Print what is about to be done."""
    counts = ", ".join(f"{name} {count:,}" for name, count in plan.data.counts.items() if count)
    say(f"{plan.settings.task}: {counts}; at most {plan.data.length} tokens")
    if plan.shape is not None:
        batches = plan.batch_plan(0).batches
        say(
            f"{plan.epochs} epochs of {batches} batches of {plan.settings.batch}, "
            f"{plan.epochs * batches} steps, in {plan.shards} x {plan.shape.rows} rows of "
            f"{plan.shape.length} tokens"
        )


def _run(
    plan: FineTuningPlan, output: _Output, display: Display, sigterm: Sigterm
) -> dict[str, Any]:
    folder, say = output.folder, display.say
    count = _count(plan, folder, say)
    unfinished = [seed for seed in range(count) if _finished(folder, seed) is None]
    if unfinished:
        soft_targets = None
        if plan.teacher is not None:
            say("computing the teacher's outputs for the training split, once for all seeds")
            with writing(folder):
                soft_targets = plan.teacher.outputs(folder)
            plan.kind.concern(soft_targets, plan.settings.teacher)
        tuner = fine_tuner(plan, soft_targets, display, sigterm)
        rate = grid.learning_rate(tuner, folder, _working(folder, 0))
        for seed in unfinished:
            _seed(tuner, output, seed, rate)
    for seed in range(count):  # one that was killed after its last step has left this behind
        shutil.rmtree(_working(folder, seed), ignore_errors=True)
    finished = [result for seed in range(count) if (result := _finished(folder, seed))]
    content = results.gather(plan, finished, grid.read(folder)) | _zero_shot(plan, folder, say)
    write_text(folder / "results.json", json.dumps(content, indent=2) + "\n")
    if plan.settings.models == "best" and plan.epochs:
        for seed in set(range(count)) - {content["best_seed"]}:
            shutil.rmtree(folder / f"seed-{seed}" / "model", ignore_errors=True)
    spread = content["spread"]
    say(
        f"{plan.settings.task} {content['metric']}: {content['score']:.2f} "
        f"(median of {count}, {spread['min']:.2f} to {spread['max']:.2f})"
    )
    return content


def _zero_shot(
    plan: FineTuningPlan, folder: Path, say: Callable[[str], None]
) -> dict[str, Mapping[str, float]]:
    """What a zero-shot teacher scores itself, which nobody knows before; nothing without one."""
    if not isinstance(plan.teacher, ZeroShotTeacher):
        return {}
    with writing(folder):
        metrics, texts = own_metrics(plan.teacher, plan.data, folder)
    score = plan.task.score
    say(f"the zero-shot teacher's own {score}: {metrics[score]:.2f} of {texts:,} texts")
    return {"zero_shot_teacher": metrics}


def _count(plan: FineTuningPlan, folder: Path, say: Callable[[str], None]) -> int:
    """As many seeds as are asked for, or as were finished before, if those are more."""
    count = plan.settings.seeds if plan.epochs else 1
    more = count
    while plan.epochs and _finished(folder, more) is not None:
        more += 1
    if more > count:
        say(f"{more} seeds are finished in {folder}: all of them count, not the first {count}")
    return more


def _finished(folder: Path, seed: int) -> dict[str, Any] | None:
    file = folder / f"seed-{seed}" / FINISHED
    return read_json(file) if file.is_file() else None


def _working(folder: Path, seed: int) -> Path:
    """Where a seed's checkpoints and records are until it is finished."""
    return folder / f".seed-{seed}"


def _seed(tuner: FineTuner, output: _Output, seed: int, rate: float) -> None:
    """Train, predict, and show the seed's folder once it is whole."""
    folder, plan = output.folder, tuner.plan
    working = _working(folder, seed)
    with writing(folder):
        if plan.epochs:
            trained = train(tuner, seed, rate, working)
        else:
            trained = Trained(initial_params(plan, seed), SeedProgress(), 0)
        predict = tuner.predictor(trained.params)
        data, metrics, records = calibrate(plan.data, predict)
        tuner.display.say(f"seed {seed}: {plan.task.score} {metrics[plan.task.score]:.2f}")
        with new_folder(folder / f"seed-{seed}") as draft:
            _write(draft, main_files(data.validation[0], records))
            for split in (*data.validation[1:], *data.tests):
                of_split = split.predictions(predict(split.encoded))
                _write(draft, further_files(split, of_split))
                if split.metrics is not None:
                    metrics |= _named(split, split.metrics(of_split))
            if plan.epochs:
                save(
                    draft / "model",
                    _model(plan, trained.params, data.threshold),
                    card=_card(plan, metrics, output.command),
                )
                _keep_records(tuner, working, draft, output.draw)
            examples = plan.data.training.encoded if plan.data.training else ()
            content = {
                **describe(trained, rate, seed, len(examples)),
                "score": metrics[plan.task.score],
                "metrics": metrics,
            }
            write_text(draft / FINISHED, json.dumps(content, indent=2) + "\n")
        shutil.rmtree(working, ignore_errors=True)


def _keep_records(tuner: FineTuner, working: Path, draft: Path, draw: Draw | None) -> None:
    """What training logged, and its curves."""
    for name in (METRICS, HEALTH):
        shutil.copyfile(working / name, draft / name)
    shutil.copytree(working / TENSORBOARD, draft / TENSORBOARD)
    if draw is not None:
        names = [objective.name for objective in tuner.spec.objectives]
        titles = {name: TITLES.get(name, name.replace("_", " ")) for name in names}
        draw(read_metrics(working / METRICS), titles, draft / CURVES)


def _named(split: EvalSplit, metrics: Metrics) -> Metrics:
    return {f"{split.name}_{name}": value for name, value in metrics.items()}


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        write_text(folder / name, text)


def _model(plan: FineTuningPlan, params: Params, threshold: float | None) -> Pretrained:
    """The fine-tuned model with its labels; a regression's on the labels' own scale."""
    head = rescaled(params["head"], plan.data)
    return replace(
        plan.model,
        params={"encoder": params["encoder"], "head": head},
        head=plan.kind.head,
        labels=plan.data.labels,
        problem_type=plan.kind.problem_type,
        threshold=threshold,
    )


def _card(plan: FineTuningPlan, metrics: Mapping[str, float], command: str) -> str:
    settings = plan.settings
    return model_card(
        CardHeader(head=plan.kind.head),
        recipe={
            "task": settings.task,
            "fine-tuned from": settings.model,
            "teacher": settings.teacher or "none",
            "epochs": plan.epochs,
            "batch": settings.batch,
            "length": plan.data.length,
        },
        data=f"{settings.task}: {settings.data or 'the task on the hub'}",
        scores=dict(metrics),
        command=command,
        title=f"Fine-tuned on {settings.task} with distil_jax",
        summary=f"A {model_noun(plan.kind.head)} ({plan.model.config.model_type}), fine-tuned on "
        f"{settings.task}.",
    )
