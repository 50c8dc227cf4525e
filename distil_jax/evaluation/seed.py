"""One seed: fine-tuned by the engine's loop, from the start or from its last checkpoint."""

import json
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from distil_jax.errors import Stopped
from distil_jax.evaluation.fine_tuner import FineTuner, batches
from distil_jax.evaluation.initial import initial_params
from distil_jax.models.types import Params
from distil_jax.storage.atomic import write_text
from distil_jax.tasks.kind import Predictor, TaskData
from distil_jax.tasks.task_scores import Metrics
from distil_jax.training import loop
from distil_jax.training.checkpoint import Checkpoints
from distil_jax.training.goodput import Goodput
from distil_jax.training.health import Expectation, Health
from distil_jax.training.metrics_file import read as read_metrics
from distil_jax.training.metrics_logger import MetricsLogger
from distil_jax.training.progress import Display
from distil_jax.training.projections import without_projections
from distil_jax.training.step import State
from distil_jax.training.trace import Trace

SAVE_SECONDS = 120.0
SHOW_SECONDS = 15.0
LOGGED_LINES = 200
"""About so many lines of metrics.jsonl does a seed leave."""
METRICS, HEALTH, TENSORBOARD = "metrics.jsonl", "health.json", "tensorboard"
TRAINING = ("steps", "input", "compile")
"""The kinds of time that count as training."""


@dataclass
class SeedProgress:
    """Where a seed stands."""

    step: int = 0
    seconds: float = 0.0
    best_score: float | None = None
    best_epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    padding: list[int] = field(default_factory=lambda: [0, 0])


@dataclass(frozen=True)
class Trained:
    """A seed's parameters, on the labels' own scale only once `unscaled`."""

    params: Params
    progress: SeedProgress
    epochs: int


@dataclass
class EpochCadence:
    """Scores at the end of each epoch, checkpoints there and every `SAVE_SECONDS`.

    Attributes:
      steps: of an epoch.
      saves_last: whether the end of the last epoch is saved, too.
    """

    steps: int
    epochs: int
    saves_last: bool
    saved: float = field(default_factory=time.monotonic)

    @property
    def total_steps(self) -> int:
        return self.steps * self.epochs

    def logs(self, step: int) -> bool:
        every = max(1, self.total_steps // LOGGED_LINES)
        return step == 1 or step % every == 0 or self.validates(step)

    def validates(self, step: int) -> bool:
        return step % self.steps == 0

    def saves(self, step: int) -> bool:
        if self.validates(step):
            return self.saves_last or step < self.total_steps
        return time.monotonic() - self.saved > SAVE_SECONDS


@dataclass
class _Run:
    """A seed on its way; its methods are what the loop calls."""

    tuner: FineTuner
    seed: int
    learning_rate: float
    progress: SeedProgress
    checkpoints: Checkpoints
    cadence: EpochCadence
    goodput: Goodput
    health: Health
    best: Params | None = None
    saved_step: int = 0

    def validate(self, params: Params) -> dict[str, float]:
        """Close an epoch; its metrics where a score decides on the next."""
        plan, progress = self.tuner.plan, self.progress
        entry: dict[str, Any] = {"epoch": len(progress.history) + 1}
        metrics: Metrics = {}
        if plan.settings.patience:
            metrics, _ = score_main(plan.data, self.tuner.predictor(params))
            entry["score"] = score = metrics[plan.task.score]
            if progress.best_score is None or score > progress.best_score:
                progress.best_score, progress.best_epoch = score, entry["epoch"]
                self.best = jax.tree.map(np.asarray, jax.device_get(params))
        progress.history.append(entry)
        scored = f", {plan.task.score} {entry['score']:.2f}" if metrics else ""
        self.say(f"epoch {entry['epoch']} of {plan.epochs}{scored}")
        return metrics

    def save(self, step: int, state: State, metric: float | None) -> None:
        self.cadence.saved, self.saved_step = time.monotonic(), step
        self.progress.step, self.progress.seconds = step, self.seconds
        config = {"progress": vars(self.progress).copy()}
        self.checkpoints.save(step, state, config=config, metric=metric)

    def watch(self, line: Mapping[str, Any]) -> None:
        """Warn of what a logged line shows."""
        for concern in self.health.see(line):
            self.tuner.display.warn(f"seed {self.seed}, step {concern.step}: {concern.message}")

    def finished(self, _: int) -> bool:
        """Whether as many epochs as patience allows brought nothing better."""
        patience = self.tuner.plan.settings.patience
        without = len(self.progress.history) - self.progress.best_epoch
        return bool(patience) and without >= patience

    def diverged(self, step: int, figures: str) -> str:
        return (
            f"seed {self.seed} diverged at step {step} with {figures}; finished seeds are kept; "
            f"lower --learning-rate={self.learning_rate:g}, with another --output"
        )

    def stopped(self, step: int) -> str:
        self.checkpoints.wait()
        return (
            f"stopped by SIGTERM after step {step} of seed {self.seed}, which is saved; "
            "rerun the same command to resume"
        )

    @property
    def seconds(self) -> float:
        """Of training so far, over all attempts."""
        figures = self.goodput.figures()
        return sum(figures[f"{kind}_seconds"] for kind in TRAINING)

    def say(self, text: str) -> None:
        self.tuner.display.say(f"seed {self.seed}: {text}")


def train(
    tuner: FineTuner, seed: int, learning_rate: float, folder: Path, *, saves_last: bool = False
) -> Trained:
    """Fine-tune; raises `Diverged`, or `Stopped` after saving.

    `folder` gets the checkpoints, metrics.jsonl, health.json and TensorBoard's files; with
    `saves_last` a later call finds all done.
    """
    plan = tuner.plan
    with (
        Goodput() as goodput,
        Checkpoints(folder, keep=1, keep_best=1, lower_is_better=False) as checkpoints,
    ):
        state = tuner.start(jax.tree.map(jnp.array, initial_params(plan, seed)), seed)
        progress = SeedProgress()
        restored = checkpoints.restore(state)
        if restored is not None:
            state = restored[1]
            progress = SeedProgress(**checkpoints.config(restored[0])["progress"])
        cadence = EpochCadence(
            plan.batch_plan(seed).batches,
            plan.epochs,
            saves_last or bool(plan.settings.patience),  # a score decides whether it goes on
        )
        health = _health(tuner, cadence, folder, progress.step)
        run = _Run(tuner, seed, learning_rate, progress, checkpoints, cadence, goodput, health)
        if progress.step < cadence.total_steps and not run.finished(progress.step):
            if progress.step:
                run.say(f"resumes after step {progress.step}")
            with tuner.sigterm.deferred():
                state = _loop(run, plan.devices.replicate(state), folder)
        write_text(folder / HEALTH, json.dumps(health.report(), indent=2) + "\n")
        checkpoints.wait()
        return Trained(_chosen(run, state), progress, len(progress.history))


def _loop(run: _Run, state: State, folder: Path) -> State:
    tuner, plan, first_step = run.tuner, run.tuner.plan, run.progress.step
    display = Display(title=f"seed {run.seed}", every_seconds=SHOW_SECONDS, says_held_out=False)
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(display.bar(run.cadence.total_steps, start_step=first_step))
        logger = MetricsLogger(
            folder,
            display,
            run.watch,
            run.goodput,
            devices=plan.devices.count,
            restart_step=first_step,
            tensorboard=True,
        )
        trained = loop.train(
            loop.Loop(
                step=tuner.step,
                devices=plan.devices,
                constants=tuner.constants(run.seed, run.learning_rate),
                batches=batches(tuner, run.seed, first_step, run.progress.padding),
                validate=run.validate,
                save=run.save,
                diverged=run.diverged,
                stopped=run.stopped,
                stopping=lambda _: tuner.sigterm.arrived(),
                logger=stack.enter_context(logger),
                cadence=run.cadence,
                trace=Trace(folder, first=0, last=0),
                metric=plan.task.score,
                finished=run.finished,
            ),
            state,
            first_step,
        )
    last = int(jax.device_get(trained.step))
    if tuner.sigterm.arrived() and run.saved_step == last:
        raise Stopped(run.stopped(last))
    run.progress.step, run.progress.seconds = last, run.seconds
    return trained


def _health(tuner: FineTuner, cadence: EpochCadence, folder: Path, first_step: int) -> Health:
    """What is watched: that the losses fall, and the gradient's norm."""
    expected = Expectation(
        floors={},
        initial={},
        teacher={},
        token_frequency_loss=None,
        steady=tuple(objective.name for objective in tuner.spec.objectives),
        clip=tuner.spec.clip,
        learning_rate_key="--learning-rate",
        clip_key="--clip",
    )
    health = Health(expected, logged_lines=min(LOGGED_LINES, cadence.total_steps))
    for line in read_metrics(folder / METRICS):
        if line["step"] <= first_step:
            health.see(line)
    return health


def _chosen(run: _Run, state: State) -> Params:
    """The last parameters, or those of the best epoch where a score decided."""
    best = run.best
    if run.tuner.plan.settings.patience and best is None:
        step = run.checkpoints.best()
        assert step is not None, "every epoch's score was saved"
        best = run.checkpoints.restore_part(step, "params")
    if best is None:
        best = jax.tree.map(np.asarray, jax.device_get(state.params))
    return without_projections(best)


def score_main(data: TaskData, predict: Predictor) -> tuple[Metrics, list[dict[str, Any]]]:
    """Metrics and predictions of the main validation split."""
    return calibrate(data, predict)[1:]


def calibrate(data: TaskData, predict: Predictor) -> tuple[TaskData, Metrics, list[dict[str, Any]]]:
    """`score_main`, and the data with what the outputs for the main split decided."""
    outputs = predict(data.validation[0].encoded)
    data = data if data.calibrated is None else data.calibrated(outputs)
    main = data.validation[0]
    records = main.predictions(outputs)
    assert main.metrics is not None, "the main split has labels: it was checked when it was read"
    return data, main.metrics(records), records


def describe(trained: Trained, learning_rate: float, seed: int, examples: int) -> Mapping[str, Any]:
    """A finished seed's figures besides its scores."""
    progress = trained.progress
    seconds = progress.seconds
    return {
        "seed": seed,
        "epochs": trained.epochs,
        "best_epoch": progress.best_epoch or trained.epochs,
        "learning_rate": learning_rate,
        "train_seconds": round(seconds, 3),
        "sequences_per_second": round(examples * trained.epochs / seconds, 2) if seconds else None,
        "padding_share": 1 - progress.padding[0] / progress.padding[1]
        if progress.padding[1]
        else None,
        "history": progress.history,
    }
