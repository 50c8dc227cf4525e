"""A run: load the teacher, derive the student, train, score, export; again, and it goes on."""

from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import jax

from distil_jax.run import health, identity, rows, scores
from distil_jax.run.announce import announce
from distil_jax.run.batches import held_out_batches, training_batches
from distil_jax.run.finish import earlier_results, finish, show
from distil_jax.run.setup import Setup
from distil_jax.tokenizer import save as save_tokenizer
from distil_jax.training import assemble, parallel
from distil_jax.training.checkpoint import Checkpoints
from distil_jax.training.config import CheckpointConfig, Config
from distil_jax.training.health import Health
from distil_jax.training.loop import Cadence, Loop, train
from distil_jax.training.progress import Display
from distil_jax.training.record import Record
from distil_jax.training.step import State, start, train_step
from distil_jax.training.stopping import Sigterm
from distil_jax.training.validation import Validate, validator
from distil_jax.training.workdir import claim, replacing, writing


def run(config: Config, workdir: Path, command: str) -> None:
    """Distil by `config` into `workdir`, from the last checkpoint there if there is one.

    Raises `UserError` for whatever the user can mend, before anything is written wherever that is
    possible; `Diverged`, and `Stopped` after SIGTERM.
    """
    with Sigterm() as sigterm:
        devices = parallel.devices(config.parallel)
        shares = parallel.shares(config.batch.sequences, config.batch.micro, devices.count)
        models = assemble.models(config)
        found = rows.find(config, models)
        with claim(workdir), _checkpoints(workdir, config.checkpoint) as checkpoints:
            latest = checkpoints.latest()
            belongs = identity.of(config, models)
            if latest is not None:
                identity.check(workdir, checkpoints.config(latest), belongs)
            train_data, held_out = rows.prepare(config, workdir, models, found)
            belongs = identity.with_data(belongs, train_data)
            if latest is not None:
                identity.check(workdir, checkpoints.config(latest), belongs)
            setup = Setup(
                config, workdir, command, devices, shares, models, train_data, held_out, belongs
            )
            _go_on(setup, checkpoints, latest, sigterm)


def _go_on(setup: Setup, checkpoints: Checkpoints, latest: int | None, sigterm: Sigterm) -> None:
    """What is left to do after the checkpoint of step `latest`."""
    display = Display()
    identity.settle(setup.workdir, setup.identity)
    results = earlier_results(setup) if latest == setup.total_steps else None
    if results is None:
        announce(setup, display)
        results = _distil(setup, checkpoints, latest, sigterm, display)
    else:
        display.say(f"{setup.workdir} is finished already ({latest} steps); nothing to do")
    show(setup, results, display)


def _distil(
    setup: Setup, checkpoints: Checkpoints, latest: int | None, sigterm: Sigterm, display: Display
) -> scores.Scores:
    """Train what is left, then measure and export; returns the figures."""
    devices, precision = setup.devices, setup.config.precision
    teacher = setup.models.teacher
    teacher_params = devices.replicate(
        {} if teacher is None else assemble.cast(teacher.params, precision.teacher)
    )
    params = devices.replicate(assemble.cast(setup.models.params, precision.parameters))
    validate = validator(setup.distillation, devices, teacher_params, held_out_batches(setup))
    _remember_tokenizer(setup)
    before = scores.baseline(setup, validate, teacher_params, params)
    watched = health.watch(setup, before, display, first_step=latest or 0)
    state = devices.replicate(start(setup.distillation, params))
    if latest is not None:
        display.say(f"resuming from the checkpoint of step {latest} in {checkpoints.folder}")
        state = _restored(checkpoints, state, latest)
    if latest is None or latest < setup.total_steps:
        with sigterm.deferred():
            state = _train(
                setup,
                state,
                latest or 0,
                teacher_params,
                validate,
                checkpoints,
                sigterm,
                display,
                watched,
            )
    checkpoints.wait()
    sigterm.check()
    health.write(setup.workdir, watched)
    return finish(setup, before, validate(state.params), jax.device_get(state.params))


def _train(
    setup: Setup,
    state: State,
    first_step: int,
    teacher_params: Any,
    validate: Validate,
    checkpoints: Checkpoints,
    sigterm: Sigterm,
    display: Display,
    watched: Health,
) -> State:
    config, total_steps = setup.config, setup.total_steps
    with ExitStack() as stack:
        stack.enter_context(display.bar(total_steps, start_step=first_step))
        record = stack.enter_context(
            Record(
                setup.workdir,
                display,
                partial(_see, setup.workdir, watched, display),
                restart_step=first_step,
                tensorboard=config.log.tensorboard,
            )
        )
        loop = Loop(
            step=setup.devices.map(partial(train_step, setup.distillation), donate=True),
            devices=setup.devices,
            teacher_params=teacher_params,
            batches=training_batches(setup, first_step),
            validate=validate,
            save=partial(_save, checkpoints, setup.identity),
            last_saved=partial(_last_saved, checkpoints),
            stopping=sigterm.arrived,
            record=record,
            cadence=Cadence(
                total_steps,
                config.log.every_steps,
                config.eval.every_steps,
                config.checkpoint.every_steps,
            ),
        )
        return train(loop, state, first_step)


def _checkpoints(workdir: Path, config: CheckpointConfig) -> Checkpoints:
    return Checkpoints(workdir / "checkpoints", keep=config.keep, keep_best=config.keep_best)


def _restored(checkpoints: Checkpoints, state: State, step: int) -> State:
    restored = checkpoints.restore(state, step)
    assert restored is not None
    return restored[1]


def _save(
    checkpoints: Checkpoints,
    belongs: dict[str, Any],
    step: int,
    state: State,
    metric: float | None,
) -> None:
    checkpoints.save(step, state, config=belongs, metric=metric)


def _last_saved(checkpoints: Checkpoints) -> str:
    checkpoints.wait()
    steps = checkpoints.steps()
    if not steps:
        return "no checkpoint was saved before"
    return f"the last good checkpoint is step {steps[-1]}, {checkpoints.folder / str(steps[-1])}"


def _see(workdir: Path, watched: Health, display: Display, line: Mapping[str, Any]) -> None:
    """Warn of what a logged line shows; the file follows with every validation."""
    for concern in watched.see(line):
        display.warn(f"step {concern.step}: {concern.message}")
    if "validation_loss" in line:
        health.write(workdir, watched)


def _remember_tokenizer(setup: Setup) -> None:
    """Exporting a checkpoint needs the tokenizer besides it."""
    folder = setup.workdir / "tokenizer"
    if not folder.exists():
        with writing(folder), replacing(folder) as draft:
            save_tokenizer(draft, setup.models.tokenizer)
