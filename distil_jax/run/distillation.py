"""A run: load the teacher, derive the student, train, score, export; again, and it goes on."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import jax

from distil_jax.configuration.schema import CheckpointConfig, Config
from distil_jax.distributed.coordination import (
    StopConsensus,
    any_process,
    broadcast_from_primary,
    is_primary,
)
from distil_jax.models.stacking import stack, unstack
from distil_jax.run import data_cursor, expectations, identity, model_figures, rows
from distil_jax.run.announce import announce
from distil_jax.run.batches import held_out_batches, training_batches
from distil_jax.run.finish import earlier_results, finish, show
from distil_jax.run.setup import Setup
from distil_jax.storage.atomic import full_disk_named, new_folder, writing
from distil_jax.tokenizer import save as save_tokenizer
from distil_jax.training import assemble, parallel
from distil_jax.training.checkpoint import Checkpoints
from distil_jax.training.goodput import Goodput
from distil_jax.training.health import Health
from distil_jax.training.loop import Loop, StepCadence, train
from distil_jax.training.metrics_logger import MetricsLogger, SilentMetricsLogger
from distil_jax.training.progress import Display
from distil_jax.training.step import Constants, State, initial_state, train_step
from distil_jax.training.stopping import Sigterm
from distil_jax.training.trace import Trace
from distil_jax.training.validation import Validate, validator
from distil_jax.training.workdir import CHECKPOINTS, Workdir, lock, resolve


def run(
    config: Config,
    workdir: str | Path,
    command: str,
    at_step: Callable[[int], None] = lambda _: None,
) -> None:
    """Distil by `config` into `workdir`, from the last checkpoint there if there is one.

    A workdir in a bucket is a `gs://` URL.

    Raises `UserError` for whatever the user can mend, before anything is written wherever that is
    possible; `Diverged`, and `Stopped` after SIGTERM. Of several processes each calls this, and
    the first one writes; `at_step` hears of every step that is done.
    """
    on_disk = resolve(workdir).folder
    with Sigterm() as sigterm, Goodput() as goodput, full_disk_named(on_disk):
        devices = parallel.devices(config.parallel)
        shares = parallel.shares(config.batch.size, config.batch.micro_size, devices.count)
        models = assemble.models(config)
        found = rows.find(config, models)
        with _lock(workdir) as home, _checkpoints(home, config.checkpoint) as checkpoints:
            latest = checkpoints.latest()
            belongs = identity.of(config, models)
            saved = None if latest is None else identity.of_today(checkpoints.config(latest))
            if saved is not None:
                identity.check(home.address, saved, belongs)
            train_data, held_out = rows.prepare(config, home, models, found)
            cursor = data_cursor.resume(saved, latest or 0, config, train_data)
            belongs = identity.with_data(belongs, train_data, held_out, cursor)
            if saved is not None:
                identity.check(home.address, saved, belongs)
            setup = Setup(
                config,
                home,
                command,
                devices,
                shares,
                models,
                train_data,
                held_out,
                belongs,
                cursor,
            )
            _go_on(setup, checkpoints, latest, sigterm, goodput, at_step)


def _go_on(
    setup: Setup,
    checkpoints: Checkpoints,
    latest: int | None,
    sigterm: Sigterm,
    goodput: Goodput,
    at_step: Callable[[int], None],
) -> None:
    """What is left to do after the checkpoint of step `latest`."""
    display = Display(at_step)
    at_step(latest or 0)
    if is_primary():
        identity.settle(setup.folder, setup.identity)
    finished = latest == setup.total_steps
    results = broadcast_from_primary(
        "results", lambda: earlier_results(setup) if finished else None
    )
    if results is None:
        announce(setup, display)
        if setup.cursor.step == latest:
            display.warn(
                f"the batch is another from step {latest} on: {setup.shares.rows} rows a step, "
                f"{setup.total_steps} steps in all; schedules go on at step {latest} of those"
            )
        results = _distil(setup, checkpoints, latest, sigterm, goodput, display)
    else:
        display.say(f"{setup.workdir.address} is finished already ({latest} steps); nothing to do")
    setup.workdir.publish()
    if is_primary():
        show(setup, results, display)


def _distil(
    setup: Setup,
    checkpoints: Checkpoints,
    latest: int | None,
    sigterm: Sigterm,
    goodput: Goodput,
    display: Display,
) -> model_figures.Scores:
    """Train what is left, then measure and export; returns the figures."""
    devices, precision = setup.devices, setup.config.precision
    teacher = setup.models.teacher
    layout = _layout(setup)
    constants = Constants(
        devices.replicate(
            {} if teacher is None else layout(assemble.cast(teacher.params, precision.teacher))
        )
    )
    params = devices.replicate(layout(assemble.cast(setup.models.params, precision.parameters)))
    validate = validator(
        setup.distillation,
        devices,
        constants,
        held_out_batches(setup),
        micro_rows=setup.shares.micro_rows,
    )
    if is_primary():
        _remember_tokenizer(setup)
    before = model_figures.baseline(setup, validate, constants.targets, params)
    watched = None
    if is_primary():
        watched = expectations.watch(setup, before, display, first_step=latest or 0)
        setup.workdir.publish()
    state = devices.replicate(initial_state(setup.distillation.optimizer, params))
    if latest is not None:
        display.say(f"resuming from the checkpoint of step {latest} in {checkpoints.folder}")
        state = devices.replicate(layout(_restored(checkpoints, stack(state), latest)))
    if latest is None or latest < setup.total_steps:
        with sigterm.deferred():
            state = _train(
                setup,
                state,
                latest or 0,
                constants,
                validate,
                checkpoints,
                sigterm,
                goodput,
                display,
                watched,
            )
    checkpoints.wait()
    if any_process("stopped at the end", sigterm.arrived()):
        sigterm.stop()
    after = validate(state.params)
    if watched is None:
        return before
    expectations.write(setup.folder, watched)
    return finish(setup, before, after, stack(jax.device_get(state.params)))


def _layout(setup: Setup) -> Callable[[Any], Any]:
    """Stacked layers for a compiled loop over them, layers apart for a program without one."""
    return stack if setup.distillation.student.scan else unstack


def _train(
    setup: Setup,
    state: State,
    first_step: int,
    constants: Constants,
    validate: Validate,
    checkpoints: Checkpoints,
    sigterm: Sigterm,
    goodput: Goodput,
    display: Display,
    watched: Health | None,
) -> State:
    config, total_steps = setup.config, setup.total_steps
    with ExitStack() as stack:
        stack.enter_context(display.bar(total_steps, start_step=first_step))
        record = stack.enter_context(_record(setup, first_step, goodput, display, watched))
        loop = Loop(
            step=setup.devices.map(partial(train_step, setup.distillation), donate=True),
            devices=setup.devices,
            constants=constants,
            batches=training_batches(setup, first_step),
            validate=validate,
            save=partial(_save, checkpoints, setup),
            diverged=partial(_diverged, checkpoints),
            stopped=partial(_stopped, total_steps),
            stopping=StopConsensus(sigterm.arrived).stops,
            record=record,
            cadence=StepCadence(
                total_steps,
                config.log.every_steps,
                config.eval.every_steps,
                config.checkpoint.every_steps,
            ),
            trace=stack.enter_context(_trace(setup)),
        )
        return train(loop, state, first_step)


def _record(
    setup: Setup, first_step: int, goodput: Goodput, display: Display, watched: Health | None
) -> MetricsLogger:
    if watched is None:
        return SilentMetricsLogger(display)
    return MetricsLogger(
        setup.folder,
        display,
        partial(_see, setup.folder, watched, display),
        goodput,
        devices=setup.devices.count,
        restart_step=first_step,
        tensorboard=setup.config.log.tensorboard,
    )


def _trace(setup: Setup) -> Trace:
    """Of process 0, whose devices do what all do."""
    profile = setup.config.profile
    first, last = (profile.first, profile.last) if is_primary() else (0, 0)
    return Trace(setup.folder / "profile", first=first, last=last)


@contextmanager
def _lock(address: str | Path) -> Iterator[Workdir]:
    """Process 0 holds the workdir for all; the others see that it is theirs, too."""
    with lock(address) if is_primary() else nullcontext(resolve(address)) as workdir:
        holder = broadcast_from_primary("holder", workdir.holder)
        if not is_primary():
            workdir.check_held_by(holder)
        yield workdir


def _checkpoints(workdir: Workdir, config: CheckpointConfig) -> Checkpoints:
    return Checkpoints(
        workdir.join(CHECKPOINTS),
        keep=config.keep,
        keep_best=config.keep_best,
        before_commit=workdir.publish,
    )


def _restored(checkpoints: Checkpoints, state: State, step: int) -> State:
    restored = checkpoints.restore(state, step)
    assert restored is not None
    return restored[1]


def _save(
    checkpoints: Checkpoints, setup: Setup, step: int, state: State, metric: float | None
) -> None:
    shared = setup.devices.joined(stack(state))
    checkpoints.save(step, shared, config=setup.identity, metric=metric)


def _diverged(checkpoints: Checkpoints, step: int, figures: str) -> str:
    checkpoints.wait()
    steps = checkpoints.steps()
    saved = "no checkpoint was saved before"
    if steps:
        saved = f"the last good checkpoint is step {steps[-1]}, {checkpoints.where(steps[-1])}"
    return (
        f"diverged at step {step} with {figures}; {saved}; "
        "lower config.optimizer.learning_rate or set config.optimizer.clip"
    )


def _stopped(total_steps: int, step: int) -> str:
    return (
        f"stopped by SIGTERM after step {step} of {total_steps}, which is saved; "
        "rerun the same command to resume"
    )


def _see(workdir: Path, watched: Health, display: Display, line: Mapping[str, Any]) -> None:
    """Warn of what a logged line shows; the file follows with every validation."""
    for concern in watched.see(line):
        display.warn(f"step {concern.step}: {concern.message}")
    if "validation_loss" in line:
        expectations.write(workdir, watched)


def _remember_tokenizer(setup: Setup) -> None:
    """Exporting a checkpoint needs the tokenizer besides it."""
    folder = setup.folder / "tokenizer"
    if not folder.exists():
        with writing(folder), new_folder(folder) as draft:
            save_tokenizer(draft, setup.models.tokenizer)
