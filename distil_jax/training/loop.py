"""The loop: batches through the compiled step, logs, validation, checkpoints, a clean stop."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np

from distil_jax.errors import Diverged, Stopped
from distil_jax.models.types import Params
from distil_jax.training.metrics_logger import MetricsLogger
from distil_jax.training.parallel import Devices
from distil_jax.training.step import Constants, State
from distil_jax.training.trace import Trace

Step = Callable[[State, Constants, Any], tuple[State, dict[str, jax.Array]]]


@runtime_checkable
class Cadence(Protocol):
    """What is done after which step."""

    @property
    def total_steps(self) -> int:
        """The last step."""

    def logs(self, step: int) -> bool:
        """Whether a step's figures are logged; those of a step that is validated always are."""

    def validates(self, step: int) -> bool:
        """Whether the parameters are scored after a step."""

    def saves(self, step: int) -> bool:
        """Whether a checkpoint is written after a step."""


@dataclass(frozen=True)
class StepCadence:
    """Everything by numbers of steps; the last step does everything."""

    total_steps: int
    log_steps: int
    validation_steps: int
    checkpoint_steps: int

    def logs(self, step: int) -> bool:
        return step == 1 or self._due(step, self.log_steps) or self.validates(step)

    def validates(self, step: int) -> bool:
        return self._due(step, self.validation_steps)

    def saves(self, step: int) -> bool:
        return self._due(step, self.checkpoint_steps)

    def _due(self, step: int, every: int) -> bool:
        return step % every == 0 or step == self.total_steps


@dataclass(frozen=True)
class Loop:
    """What the loop calls.

    Attributes:
      batches: this process's rows of each global batch, from the first step to be done on.
      validate: figures of these parameters; `metric` is the one that checkpoints are ranked by.
      save: writes a checkpoint of a step; gets the metric if that was just measured.
      diverged: the message of a run that diverged, from the step and the figures in words.
      stopped: the message of a run that was stopped after a step, which is saved.
      stopping: whether the run stops after a step, asked after each.
      finished: whether nothing is left to learn after a step that was validated.
    """

    step: Step
    devices: Devices
    constants: Constants
    batches: Iterator[Mapping[str, np.ndarray]]
    validate: Callable[[Params], dict[str, float]]
    save: Callable[[int, State, float | None], None]
    diverged: Callable[[int, str], str]
    stopped: Callable[[int], str]
    stopping: Callable[[int], bool]
    logger: MetricsLogger
    cadence: Cadence
    trace: Trace
    metric: str = "loss"
    finished: Callable[[int], bool] = lambda _: False


def train(loop: Loop, state: State, first_step: int) -> State:
    """Go from `first_step` steps done to the last; raises `Diverged`, or `Stopped` after saving."""
    cadence, previous = loop.cadence, None
    loop.logger.resume()
    with jax.transfer_guard("disallow"), loop.logger.spending("steps"):
        for step in range(first_step + 1, cadence.total_steps + 1):
            with loop.trace.step(step):
                with loop.logger.spending("input"):
                    batch = loop.devices.split(next(loop.batches))
                state, values = loop.step(state, loop.constants, batch)
                # One step late, so that the device is at work on this one meanwhile.
                if previous is not None:
                    _log_step(loop, step - 1, previous)
            loop.trace.done(step, values)
            previous = values
            loop.logger.display.at_step(step)
            stop = loop.stopping(step)
            if stop or cadence.validates(step) or cadence.saves(step):
                _evaluate_and_checkpoint(loop, step, state, previous, stop=stop)
                previous = None
            if stop and step < cadence.total_steps:
                raise Stopped(loop.stopped(step))
            if previous is None and loop.finished(step):
                break
    return state


def _log_step(
    loop: Loop,
    step: int,
    values: dict[str, jax.Array],
    held_out: Mapping[str, float | int] | None = None,
) -> None:
    """Fetch a step's figures, stop if they are not finite, and log them if it is time."""
    fetched = {name: value.item() for name, value in jax.device_get(values).items()}
    _check_finite(loop, step, {"loss": fetched["loss"], "gradient norm": fetched["gradient_norm"]})
    if held_out is None:
        loop.logger.count(fetched["tokens"])
    if held_out is not None or (loop.cadence.logs(step) and not loop.cadence.validates(step)):
        extra = {f"validation_{name}": value for name, value in (held_out or {}).items()}
        loop.logger.log(step, {**fetched, **extra})


def _check_finite(loop: Loop, step: int, figures: Mapping[str, float | int]) -> None:
    if not all(map(math.isfinite, figures.values())):
        described = " and ".join(f"{name} {value}" for name, value in figures.items())
        raise Diverged(loop.diverged(step, described))


def _evaluate_and_checkpoint(
    loop: Loop, step: int, state: State, values: dict[str, jax.Array], *, stop: bool
) -> None:
    """Settle a step at once, then validate and save where it is time."""
    _log_step(loop, step, values)
    loop.logger.pause()
    metric = None
    if loop.cadence.validates(step):
        with loop.logger.spending("validation"):
            held_out = loop.validate(state.params)
        loop.logger.resume()
        metric = held_out.get(loop.metric)
        if metric is not None:
            _check_finite(loop, step, {f"held-out {loop.metric}": metric})
        _log_step(loop, step, values, held_out)
    if stop or loop.cadence.saves(step):
        with loop.logger.spending("checkpoint"):
            loop.logger.sync()
            loop.save(step, state, metric)
    loop.logger.resume()
