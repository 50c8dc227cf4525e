"""One seed: fine-tune from the start or from its last checkpoint, then predict every split."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Never

import jax
import jax.numpy as jnp
import numpy as np

from distil_jax.configuration.schema import Optimizer
from distil_jax.errors import Diverged, Stopped
from distil_jax.evaluation.dealing import packed
from distil_jax.evaluation.initial import initial_params
from distil_jax.evaluation.objectives import OBJECTIVES
from distil_jax.evaluation.plan import Plan
from distil_jax.evaluation.predictor import Packed, Predictor, stacked
from distil_jax.evaluation.problem import Outputs, Problem
from distil_jax.evaluation.rows import Shape, fill
from distil_jax.evaluation.scores import Metrics
from distil_jax.evaluation.step import FineTuning, fine_tune_step
from distil_jax.models.types import Params
from distil_jax.training import optimizer
from distil_jax.training.checkpoint import Checkpoints
from distil_jax.training.step import State

BETAS = (0.9, 0.999)
EPSILON = 1e-8
SAVE_SECONDS = 120.0
SAY_SECONDS = 15.0
CHECKED_STEPS = 50
"""Steps after which losses are fetched and looked at."""


@dataclass(frozen=True)
class Machine:
    """What all seeds of an evaluation share: compiled programs, and the teacher's outputs."""

    plan: Plan
    step: Callable[..., tuple[State, dict[str, jax.Array]]]
    start: Callable[[Params], State]
    packed: Packed
    soft: Outputs | None
    say: Callable[[str], None]
    stopping: Callable[[], bool]

    def predictor(self, params: Params) -> Predictor:
        """The model with these parameters, its values on the labels' own scale."""
        predict = self.packed(params)
        mean, deviation = self.plan.problem.scale
        if (mean, deviation) == (0.0, 1.0):
            return predict
        return lambda encoded: [row * deviation + mean for row in predict(encoded)]


@dataclass
class Progress:
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
    progress: Progress
    epochs: int


def machine(
    plan: Plan,
    soft: Outputs | None,
    say: Callable[[str], None],
    stopping: Callable[[], bool],
) -> Machine:
    """Build what all seeds share; programs are compiled when first called."""
    settings = plan.settings
    total_steps = plan.epochs * (plan.dealing(0).batches if plan.shape else 0)
    config = Optimizer(
        learning_rate=1.0,
        schedule=settings.schedule,
        warmup=settings.warmup,
        beta1=BETAS[0],
        beta2=BETAS[1],
        epsilon=EPSILON,
        weight_decay=settings.weight_decay,
        clip=settings.clip,
    )
    made = optimizer.make(config, max(total_steps, 1))
    run = FineTuning(
        network=plan.network,
        objective=OBJECTIVES[plan.problem.kind],
        optimizer=made,
        alpha=settings.alpha if soft is not None else 0.0,
        temperature=settings.temperature,
        micro_batches=plan.micro_batches,
    )

    def start(params: Params) -> State:
        step, clipped = jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32)
        return State(step, params, made.init(params), clipped)

    return Machine(
        plan,
        plan.devices.map(partial(fine_tune_step, run), donate=True),
        start,
        Packed(plan.network, plan.devices, plan.model.config.pad_token),
        soft,
        say,
        stopping,
    )


def train(machine: Machine, seed: int, learning_rate: float, folder: Path) -> Trained:
    """Fine-tune; raises `Diverged`, or `Stopped` after saving."""
    plan = machine.plan
    with Checkpoints(folder, keep=1, keep_best=1, lower_is_better=False) as checkpoints:
        state = machine.start(jax.tree.map(jnp.array, initial_params(plan, seed)))
        progress = Progress()
        restored = checkpoints.restore(state)
        if restored is not None:
            state = restored[1]
            progress = Progress(**checkpoints.config(restored[0])["progress"])
            machine.say(f"seed {seed}: goes on after step {progress.step}")
        return _epochs(machine, seed, learning_rate, state, progress, checkpoints)


def _epochs(
    machine: Machine,
    seed: int,
    learning_rate: float,
    state: State,
    progress: Progress,
    checkpoints: Checkpoints,
) -> Trained:
    plan, patience = machine.plan, machine.plan.settings.patience
    steps = plan.dealing(seed).batches
    state = plan.devices.replicate(state)
    best: Params | None = None
    while progress.step < plan.epochs * steps:
        if _is_over(progress, patience):
            break
        epoch = progress.step // steps
        state = _epoch(machine, seed, learning_rate, state, progress, checkpoints)
        entry: dict[str, Any] = {"epoch": epoch + 1}
        score = None
        if patience:
            metrics, _ = score_main(plan.problem, machine.predictor(state.params))
            score = metrics[plan.task.score]
            entry["score"] = score
            if progress.best_score is None or score > progress.best_score:
                progress.best_score, progress.best_epoch = score, epoch + 1
                best = jax.tree.map(np.asarray, jax.device_get(state.params))
        progress.history.append(entry)
        told = "" if score is None else f", {plan.task.score} {score:.2f}"
        machine.say(f"seed {seed}: epoch {epoch + 1} of {plan.epochs}{told}")
        stop = machine.stopping()
        if epoch + 1 < plan.epochs or patience or stop:
            _save(checkpoints, state, progress, score)
        if stop:
            _stop(checkpoints, seed, progress)
    checkpoints.wait()
    if patience and best is None:
        kept = checkpoints.best()
        assert kept is not None, "every epoch's score was saved"
        best = checkpoints.restore_part(kept, "params")
    params = jax.tree.map(np.asarray, jax.device_get(state.params)) if best is None else best
    return Trained(params, progress, -(-progress.step // steps))


def _is_over(progress: Progress, patience: int) -> bool:
    return bool(patience) and len(progress.history) - progress.best_epoch >= patience


def _epoch(
    machine: Machine,
    seed: int,
    learning_rate: float,
    state: State,
    progress: Progress,
    checkpoints: Checkpoints,
) -> State:
    """The rest of an epoch."""
    plan = machine.plan
    dealing = plan.dealing(seed)
    epoch, first = divmod(progress.step, dealing.batches)
    controls = plan.devices.replicate(
        {"seed": np.uint32(seed), "learning_rate": np.float32(learning_rate)}
    )
    pending: list[dict[str, jax.Array]] = []
    saved = said = began = time.monotonic()
    before = progress.seconds
    for batch in batches(machine, seed, epoch, first, progress):
        state, values = machine.step(state, controls, plan.devices.split(batch))
        progress.step += 1
        pending.append(values)
        # One step late, so that the device is at work on this one meanwhile: with many slow steps
        # under way a stop would not be heard for minutes.
        jax.block_until_ready(pending[-2:-1])
        now = time.monotonic()
        progress.seconds = before + now - began
        stop = machine.stopping()
        # After an epoch's last step it is scored first: a checkpoint is written with its score.
        whole = progress.step % dealing.batches == 0
        due = not whole and (stop or now - saved > SAVE_SECONDS)
        if due or len(pending) == CHECKED_STEPS or now - said > SAY_SECONDS:
            loss = _check(pending, seed, learning_rate, progress.step)
            pending = []
            progress.seconds = before + time.monotonic() - began
            if now - said > SAY_SECONDS:
                _tell(machine, seed, progress, loss)
                said = now
        if due:
            _save(checkpoints, state, progress, None)
            saved = time.monotonic()
        if stop and due:
            _stop(checkpoints, seed, progress)
    if pending:
        _check(pending, seed, learning_rate, progress.step)
    progress.seconds = before + time.monotonic() - began
    return state


def batches(
    machine: Machine, seed: int, epoch: int, first: int, progress: Progress
) -> Iterator[dict[str, np.ndarray]]:
    """The batches of an epoch from the `first` on, as arrays."""
    plan = machine.plan
    assert plan.shape is not None
    for batch in packed(plan.dealing(seed), plan.shape, epoch, first=first):
        rows = max(plan.shape.rows, *(len(hand) for hand in batch))
        shape = Shape(rows, plan.shape.length, plan.shape.slots)
        progress.padding[1] += len(batch) * rows * shape.length
        pieces = [piece_arrays(plan, machine.soft, hand, shape) for hand in batch]
        progress.padding[0] += sum(int(piece["lengths"].sum()) for piece in pieces)
        yield stacked(pieces)


def piece_arrays(
    plan: Plan, soft: Outputs | None, hand: list[list[int]], shape: Shape
) -> dict[str, np.ndarray]:
    """One piece with its targets: those of unused slots are 0."""
    assert plan.problem.training is not None
    training = plan.problem.training
    arrays, numbers = fill(training.encoded, hand, shape, pad=plan.model.config.pad_token)
    for name, values in training.targets.items():
        own = np.zeros(shape.slots, values.dtype)
        own[: len(numbers)] = values[numbers]
        arrays[name] = own
    if soft is not None:
        rows = plan.problem.outputs or plan.problem.length
        tail = () if plan.problem.outputs else (2,)
        given = np.zeros((shape.slots, rows, *tail), np.float32)
        for slot, number in enumerate(numbers):
            given[slot, : len(soft[number])] = soft[number]
        arrays["soft"] = given
    return arrays


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


def _tell(machine: Machine, seed: int, progress: Progress, loss: float) -> None:
    plan = machine.plan
    total = plan.epochs * plan.dealing(seed).batches
    rate = progress.step * plan.settings.batch / max(progress.seconds, 1e-9)
    machine.say(
        f"seed {seed}: step {progress.step}/{total}  loss {loss:.3f}  {rate:,.0f} sequences/s"
    )


def _save(checkpoints: Checkpoints, state: State, progress: Progress, metric: float | None) -> None:
    checkpoints.save(
        progress.step, state, config={"progress": vars(progress).copy()}, metric=metric
    )


def _stop(checkpoints: Checkpoints, seed: int, progress: Progress) -> Never:
    """End the program once all is on disk."""
    checkpoints.wait()
    raise Stopped(
        f"stopped by SIGTERM after step {progress.step} of seed {seed}, which is saved; "
        "the same command goes on from there"
    )


def score_main(problem: Problem, predict: Predictor) -> tuple[Metrics, list[dict[str, Any]]]:
    """Metrics and predictions of the main held-out split."""
    main = problem.held_out[0]
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
