"""An evaluation from its settings to results.json: seed by seed, resumable."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from distil_jax.evaluation import plan as planning
from distil_jax.evaluation import results
from distil_jax.evaluation.identity import IDENTITY, check_identity
from distil_jax.evaluation.initial import initial_params, rescaled
from distil_jax.evaluation.plan import HEADS, Plan
from distil_jax.evaluation.problem import HeldOut, Prediction
from distil_jax.evaluation.scores import Metrics
from distil_jax.evaluation.seed import (
    Machine,
    Progress,
    Trained,
    describe,
    machine,
    score_main,
    train,
)
from distil_jax.evaluation.settings import Settings
from distil_jax.models.types import Params
from distil_jax.pretrained import Pretrained, model_card, save
from distil_jax.storage.atomic import new_folder, write_text, writing
from distil_jax.storage.lock import lock
from distil_jax.training.progress import Display
from distil_jax.training.stopping import Sigterm

FINISHED, GRID = "result.json", "grid.json"


def evaluate(settings: Settings, command: str) -> dict[str, Any]:
    """Fine-tune and score every seed that is not finished yet, and write results.json.

    Raises:
        UserError: something given is wrong, or the folder holds another evaluation.
    """
    display = Display()
    with Sigterm() as sigterm:
        check_identity(settings.output, None)
        plan = planning.make(settings)
        with lock(settings.output) as folder:
            check_identity(folder, plan.identity)
            write_text(folder / IDENTITY, json.dumps(dict(plan.identity), indent=2) + "\n")
            announce(plan, display.say)
            with sigterm.deferred():
                return _run(plan, folder, display.say, sigterm.arrived, command)


def announce(plan: Plan, say: Callable[[str], None]) -> None:
    """Print what is about to be done."""
    counts = ", ".join(f"{name} {count:,}" for name, count in plan.problem.counts.items() if count)
    say(f"{plan.settings.task}: {counts}; at most {plan.problem.length} tokens")
    if plan.shape is not None:
        steps = plan.epochs * plan.dealing(0).batches
        say(
            f"{plan.epochs} epochs of {plan.dealing(0).batches} batches of {plan.settings.batch}, "
            f"{steps} steps, in {plan.hands} x {plan.shape.rows} rows of {plan.shape.length} tokens"
        )


def _run(
    plan: Plan,
    folder: Path,
    say: Callable[[str], None],
    stopping: Callable[[], bool],
    command: str,
) -> dict[str, Any]:
    count = _count(plan, folder, say)
    unfinished = [seed for seed in range(count) if _finished(folder, seed) is None]
    if unfinished:
        soft = None
        if plan.teacher is not None:
            say("computing the teacher's outputs for the training split, once for all seeds")
            with writing(folder):
                soft = plan.teacher.outputs(folder)
        made = machine(plan, soft, say, stopping)
        rate = _learning_rate(made, folder)
        for seed in unfinished:
            _seed(made, folder, seed, rate, command)
    finished = [result for seed in range(count) if (result := _finished(folder, seed))]
    found = results.gather(plan, finished, _read_grid(folder))
    write_text(folder / "results.json", json.dumps(found, indent=2) + "\n")
    if plan.settings.models == "best" and plan.epochs:
        for seed in set(range(count)) - {found["best_seed"]}:
            shutil.rmtree(folder / f"seed-{seed}" / "model", ignore_errors=True)
    spread = found["spread"]
    say(
        f"{plan.settings.task} {found['metric']}: {found['score']:.2f} "
        f"(median of {count}, {spread['min']:.2f} to {spread['max']:.2f})"
    )
    return found


def _count(plan: Plan, folder: Path, say: Callable[[str], None]) -> int:
    """As many seeds as are asked for, or as were finished before, if those are more."""
    count = plan.settings.seeds if plan.epochs else 1
    more = count
    while plan.epochs and _finished(folder, more) is not None:
        more += 1
    if more > count:
        say(f"{more} seeds are finished in {folder}: all of them count, not the first {count}")
    return more


def _learning_rate(made: Machine, folder: Path) -> float:
    """The only learning rate, or the best of the grid, tried with seed 0 and kept in grid.json."""
    rates = made.plan.settings.learning_rates
    if len(rates) == 1 or not made.plan.epochs:
        return rates[0]
    grid = _read_grid(folder)
    for rate in rates[len(grid) :]:
        trial = folder / "grid" / f"{rate:g}"
        trained = train(made, 0, rate, trial)
        metrics, _ = score_main(made.plan.problem, made.predictor(trained.params))
        grid.append({"learning_rate": rate, "score": metrics[made.plan.task.score]})
        made.say(f"learning rate {rate:g}: {grid[-1]['score']:.2f}")
        write_text(folder / GRID, json.dumps(grid) + "\n")
        shutil.rmtree(trial, ignore_errors=True)
    shutil.rmtree(folder / "grid", ignore_errors=True)
    return max(grid, key=lambda entry: entry["score"])["learning_rate"]


def _read_grid(folder: Path) -> list[dict[str, Any]]:
    file = folder / GRID
    return json.loads(file.read_text("utf-8")) if file.is_file() else []


def _finished(folder: Path, seed: int) -> dict[str, Any] | None:
    file = folder / f"seed-{seed}" / FINISHED
    return json.loads(file.read_text("utf-8")) if file.is_file() else None


def _seed(made: Machine, folder: Path, seed: int, rate: float, command: str) -> None:
    """Train, predict, and show the seed's folder once it is whole."""
    plan, working = made.plan, folder / f".seed-{seed}"
    with writing(folder):
        if plan.epochs:
            trained = train(made, seed, rate, working)
        else:
            trained = Trained(initial_params(plan, seed), Progress(), 0)
        predict = made.predictor(trained.params)
        metrics, records = score_main(plan.problem, predict)
        made.say(f"seed {seed}: {plan.task.score} {metrics[plan.task.score]:.2f}")
        with new_folder(folder / f"seed-{seed}") as draft:
            _write_split(draft, plan.problem.held_out[0], records, "predictions.jsonl")
            for split in (*plan.problem.held_out[1:], *plan.problem.tests):
                own = split.predictions(predict(split.encoded))
                _write_split(draft, split, own, f"predictions-{split.name}.jsonl")
                if split.metrics is not None:
                    metrics |= _named(split, split.metrics(own))
            if plan.epochs:
                save(
                    draft / "model",
                    _model(plan, trained.params),
                    card=_card(plan, metrics, command),
                )
            examples = plan.problem.training.encoded if plan.problem.training else ()
            content = {
                **describe(trained, rate, seed, len(examples)),
                "score": metrics[plan.task.score],
                "metrics": metrics,
            }
            write_text(draft / FINISHED, json.dumps(content, indent=2) + "\n")
        shutil.rmtree(working, ignore_errors=True)


def _named(split: HeldOut, metrics: Metrics) -> Metrics:
    return {f"{split.name}_{name}": value for name, value in metrics.items()}


def _write_split(folder: Path, split: HeldOut, records: list[Prediction], name: str) -> None:
    lines = [json.dumps(record, ensure_ascii=False) for record in records]
    write_text(folder / name, "\n".join(lines) + "\n")
    if split.submission is not None:
        file, text = split.submission(records)
        write_text(folder / file, text)


def _model(plan: Plan, params: Params) -> Pretrained:
    """The fine-tuned model with its labels; a regression's on the labels' own scale."""
    head = rescaled(params["head"], plan.problem)
    return replace(
        plan.model,
        params={"encoder": params["encoder"], "head": head},
        head=HEADS[plan.task.kind],
        labels=plan.problem.labels,
    )


def _card(plan: Plan, metrics: Mapping[str, float], command: str) -> str:
    settings = plan.settings
    return model_card(
        recipe={
            "task": settings.task,
            "fine-tuned from": settings.model,
            "teacher": settings.teacher or "none",
            "epochs": plan.epochs,
            "batch": settings.batch,
            "length": plan.problem.length,
        },
        data=f"{settings.task}: {settings.data or 'the task on the hub'}",
        scores=dict(metrics),
        command=command,
        title=f"Fine-tuned on {settings.task} with distil_jax",
        summary=f"A BERT-family encoder fine-tuned on {settings.task}.",
        head=HEADS[plan.task.kind],
    )
