"""One seed: fine-tune from the start or from its last checkpoint, then predict every split."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Never

import jax
import jax.numpy as jnp
import numpy as np

from distil_jax.errors import Diverged, Stopped
from distil_jax.evaluation.fine_tuner import FineTuner, batches
from distil_jax.evaluation.initial import initial_params
from distil_jax.models.types import Params
from distil_jax.tasks.kind import Predictor, TaskData
from distil_jax.tasks.task_scores import Metrics
from distil_jax.training.checkpoint import Checkpoints
from distil_jax.training.step import State

SAVE_SECONDS = 120.0
ANNOUNCE_SECONDS = 15.0
CHECKED_STEPS = 50
"""Steps after which losses are fetched and looked at."""


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


def train(tuner: FineTuner, seed: int, learning_rate: float, folder: Path) -> Trained:
    """Fine-tune; raises `Diverged`, or `Stopped` after saving."""
    plan = tuner.plan
    with Checkpoints(folder, keep=1, keep_best=1, lower_is_better=False) as checkpoints:
        state = tuner.start(jax.tree.map(jnp.array, initial_params(plan, seed)))
        progress = SeedProgress()
        restored = checkpoints.restore(state)
        if restored is not None:
            state = restored[1]
            progress = SeedProgress(**checkpoints.config(restored[0])["progress"])
            tuner.say(f"seed {seed}: resumes after step {progress.step}")
        return _epochs(tuner, seed, learning_rate, state, progress, checkpoints)


def _epochs(
    tuner: FineTuner,
    seed: int,
    learning_rate: float,
    state: State,
    progress: SeedProgress,
    checkpoints: Checkpoints,
) -> Trained:
    plan, patience = tuner.plan, tuner.plan.settings.patience
    steps = plan.batch_plan(seed).batches
    state = plan.devices.replicate(state)
    best: Params | None = None
    while progress.step < plan.epochs * steps:
        if _is_over(progress, patience):
            break
        epoch = progress.step // steps
        state = _epoch(tuner, seed, learning_rate, state, progress, checkpoints)
        entry: dict[str, Any] = {"epoch": epoch + 1}
        score = None
        if patience:
            metrics, _ = score_main(plan.data, tuner.predictor(state.params))
            score = metrics[plan.task.score]
            entry["score"] = score
            if progress.best_score is None or score > progress.best_score:
                progress.best_score, progress.best_epoch = score, epoch + 1
                best = jax.tree.map(np.asarray, jax.device_get(state.params))
        progress.history.append(entry)
        scored = "" if score is None else f", {plan.task.score} {score:.2f}"
        tuner.say(f"seed {seed}: epoch {epoch + 1} of {plan.epochs}{scored}")
        stop = tuner.stopping()
        if epoch + 1 < plan.epochs or patience or stop:
            _save(checkpoints, state, progress, score)
        if stop:
            _stop(checkpoints, seed, progress)
    checkpoints.wait()
    if patience and best is None:
        step = checkpoints.best()
        assert step is not None, "every epoch's score was saved"
        best = checkpoints.restore_part(step, "params")
    params = jax.tree.map(np.asarray, jax.device_get(state.params)) if best is None else best
    return Trained(params, progress, -(-progress.step // steps))


def _is_over(progress: SeedProgress, patience: int) -> bool:
    return bool(patience) and len(progress.history) - progress.best_epoch >= patience


def _epoch(
    tuner: FineTuner,
    seed: int,
    learning_rate: float,
    state: State,
    progress: SeedProgress,
    checkpoints: Checkpoints,
) -> State:
    """The rest of an epoch."""
    plan = tuner.plan
    batch_plan = plan.batch_plan(seed)
    epoch, first = divmod(progress.step, batch_plan.batches)
    controls = plan.devices.replicate(
        {"seed": np.uint32(seed), "learning_rate": np.float32(learning_rate)}
    )
    pending: list[dict[str, jax.Array]] = []
    saved = announced = began = time.monotonic()
    before = progress.seconds
    for batch in batches(tuner, seed, epoch, first, progress.padding):
        state, values = tuner.step(state, controls, plan.devices.split(batch))
        progress.step += 1
        pending.append(values)
        # One step late, so that the device is at work on this one meanwhile: with many slow steps
        # under way a stop would not be heard for minutes.
        jax.block_until_ready(pending[-2:-1])
        now = time.monotonic()
        progress.seconds = before + now - began
        stop = tuner.stopping()
        # After an epoch's last step it is scored first: a checkpoint is written with its score.
        at_end = progress.step % batch_plan.batches == 0
        due = not at_end and (stop or now - saved > SAVE_SECONDS)
        if due or len(pending) == CHECKED_STEPS or now - announced > ANNOUNCE_SECONDS:
            loss = _check(pending, seed, learning_rate, progress.step)
            pending = []
            progress.seconds = before + time.monotonic() - began
            if now - announced > ANNOUNCE_SECONDS:
                _announce(tuner, seed, progress, loss)
                announced = now
        if due:
            _save(checkpoints, state, progress, None)
            saved = time.monotonic()
        if stop and due:
            _stop(checkpoints, seed, progress)
    if pending:
        _check(pending, seed, learning_rate, progress.step)
    progress.seconds = before + time.monotonic() - began
    return state


def _check(
    pending: list[dict[str, jax.Array]], seed: int, learning_rate: float, step: int
) -> float:
    """The mean loss of the last steps; raises `Diverged` if one is not finite."""
    losses = []
    for back, values in enumerate(jax.device_get(pending)):
        loss, norm = float(values["loss"]), float(values["gradient_norm"])
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise Diverged(
                f"seed {seed} diverged at step {step - len(pending) + back + 1} with loss {loss} "
                f"and gradient norm {norm}; finished seeds are kept; lower "
                f"--learning-rate={learning_rate:g}"
            )
        losses.append(loss)
    return sum(losses) / len(losses)


def _announce(tuner: FineTuner, seed: int, progress: SeedProgress, loss: float) -> None:
    plan = tuner.plan
    total = plan.epochs * plan.batch_plan(seed).batches
    rate = progress.step * plan.settings.batch / max(progress.seconds, 1e-9)
    tuner.say(
        f"seed {seed}: step {progress.step}/{total}  loss {loss:.3f}  {rate:,.0f} sequences/s"
    )


def _save(
    checkpoints: Checkpoints, state: State, progress: SeedProgress, metric: float | None
) -> None:
    checkpoints.save(
        progress.step, state, config={"progress": vars(progress).copy()}, metric=metric
    )


def _stop(checkpoints: Checkpoints, seed: int, progress: SeedProgress) -> Never:
    """End the program once all is on disk."""
    checkpoints.wait()
    raise Stopped(
        f"stopped by SIGTERM after step {progress.step} of seed {seed}, which is saved; "
        "rerun the same command to resume"
    )


def score_main(data: TaskData, predict: Predictor) -> tuple[Metrics, list[dict[str, Any]]]:
    """Metrics and predictions of the main validation split."""
    main = data.validation[0]
    records = main.predictions(predict(main.encoded))
    assert main.metrics is not None, "the main split has labels: it was checked when it was read"
    return main.metrics(records), records


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
