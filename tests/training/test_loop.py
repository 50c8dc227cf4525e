"""loop: what happens at which step, with a step and a validation that only count."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from distil_jax.configuration.schema import Parallel
from distil_jax.errors import Diverged, Stopped
from distil_jax.training.loop import Loop, StepCadence, train
from distil_jax.training.metrics_logger import MetricsLogger
from distil_jax.training.parallel import devices
from distil_jax.training.progress import Display
from distil_jax.training.step import Constants, State
from distil_jax.training.trace import Trace


class Diary(MetricsLogger):
    """A record that writes nothing, and notes everything that the loop does, in order."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int]] = []
        self.tokens = 0
        self.display = Display()

    def log(self, step: int, values: Mapping[str, float | int]) -> None:
        name = "log+validation" if "validation_loss" in values else "log"
        self.events.append((name, step))

    def count(self, tokens: int) -> None:
        self.tokens += tokens

    def save(self, step: int, state: State, metric: float | None) -> None:
        assert int(jax.device_get(state.step)) == step
        self.events.append(("save" if metric is None else "save+metric", step))

    def nothing(self) -> None: ...

    resume = pause = sync = nothing

    def spending(self, kind: str) -> AbstractContextManager[None]:
        return nullcontext()


def run(
    diary: Diary,
    *,
    total: int = 6,
    first: int = 0,
    log: int = 1,
    validate: int = 100,
    save: int = 100,
    stop: Callable[[int], bool] = lambda _: False,
    bad_step: int = 0,
    held_out_loss: float = 1.0,
    finished: Callable[[int], bool] = lambda _: False,
) -> State:
    places = devices(Parallel("jit", 1, "auto", "none", "plain"))

    def step(state: State, _: Any, batch: Any) -> tuple[State, dict[str, jax.Array]]:
        number = state.step + 1
        loss = jnp.where(number == bad_step, jnp.nan, 1.0)
        values = {"loss": loss, "gradient_norm": jnp.float32(1), "tokens": batch["tokens"].sum()}
        return State(number, state.params, state.optimizer_state, state.clipped), values

    def batches() -> Iterator[Mapping[str, np.ndarray]]:
        while True:
            yield {"tokens": np.ones(3, np.int32)}

    loop = Loop(
        step=jax.jit(step),
        devices=places,
        constants=Constants(),
        batches=batches(),
        validate=lambda _: {"loss": held_out_loss},
        save=diary.save,
        diverged=lambda step, figures: (
            f"diverged at step {step} with {figures}; the last good checkpoint is step 2, W/2"
        ),
        stopped=lambda step: f"stopped after step {step} of {total}, which is saved",
        finished=finished,
        stopping=stop,
        logger=diary,
        cadence=StepCadence(total, log, validate, save),
        trace=Trace(Path("none"), first=0, last=0),
    )
    return train(loop, places.replicate(State(jnp.int32(first), {}, {}, jnp.int32(0))), first)


def test_everything_is_done_when_it_is_due_and_at_the_last_step() -> None:
    diary = Diary()
    state = run(diary, total=5, log=2, validate=3, save=2)
    assert int(state.step) == 5
    assert diary.tokens == 15
    assert diary.events == [
        ("log", 1),
        ("log", 2),
        ("save", 2),
        ("log+validation", 3),
        ("log", 4),
        ("save", 4),
        ("log+validation", 5),
        ("save+metric", 5),
    ]


def test_it_goes_on_after_the_steps_that_are_done() -> None:
    diary = Diary()
    run(diary, total=6, first=4, log=3)
    assert diary.events == [("log+validation", 6), ("save+metric", 6)]


def test_asked_to_stop_it_saves_the_step_under_way_and_stops() -> None:
    diary = Diary()
    answers = iter([False, True])
    with pytest.raises(Stopped, match="after step 2 of 6, which is saved"):
        run(diary, stop=lambda _: next(answers))
    assert diary.events == [("log", 1), ("log", 2), ("save", 2)]


def test_asked_to_stop_at_the_last_step_it_ends_as_usual() -> None:
    diary = Diary()
    answers = iter([False, True])
    assert int(run(diary, total=2, stop=lambda _: next(answers)).step) == 2
    assert diary.events[-1] == ("save+metric", 2)


@pytest.mark.parametrize("bad_step", [1, 3, 6])
def test_a_loss_that_is_not_finite_stops_before_it_is_logged_or_saved(bad_step: int) -> None:
    diary = Diary()
    with pytest.raises(
        Diverged, match=rf"step {bad_step} with loss nan .* checkpoint is step 2, W"
    ):
        run(diary, bad_step=bad_step)
    assert all(step < bad_step for _, step in diary.events)


def test_a_held_out_loss_that_is_not_finite_is_not_saved() -> None:
    """The parameters have overflowed although the batch before them was fine."""
    diary = Diary()
    with pytest.raises(Diverged, match="step 2 with held-out loss inf"):
        run(diary, validate=2, save=2, held_out_loss=float("inf"))
    assert diary.events == [("log", 1)]


def test_it_ends_early_where_nothing_is_left_to_learn() -> None:
    diary = Diary()
    asked: list[int] = []

    def finished(step: int) -> bool:
        asked.append(step)
        return step == 4

    assert int(run(diary, total=6, validate=2, save=2, finished=finished).step) == 4
    assert asked == [2, 4]
    assert diary.events[-1] == ("save+metric", 4)
