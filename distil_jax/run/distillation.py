"""A run: read its inputs, set it up in its workdir, train, measure, export; or resume it.

config -> load_inputs (models, rows, checked) -> set_up (workdir, checkpoint) -> step -> train
       -> finish (student, figures, report)
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
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
from distil_jax.models.stacking import stack
from distil_jax.run import expectations, identity, model_figures
from distil_jax.run.announcement import announce
from distil_jax.run.finish import earlier_results, finish, show
from distil_jax.run.placement import layout, put_on_devices
from distil_jax.run.resource_usage import peak_rate
from distil_jax.run.setup import Setup, load_inputs, set_up, types_begun_with
from distil_jax.storage.atomic import full_disk_named, new_folder, writing
from distil_jax.tokenizer import save as save_tokenizer
from distil_jax.training.checkpoint import Checkpoints
from distil_jax.training.checkpoint_steps import check_path
from distil_jax.training.goodput import Goodput
from distil_jax.training.health import Health
from distil_jax.training.loop import Loop, StepCadence, train
from distil_jax.training.metrics_logger import MetricsLogger, SilentMetricsLogger
from distil_jax.training.progress import Display
from distil_jax.training.projections import without_projections
from distil_jax.training.step import Constants, State, initial_state, train_step
from distil_jax.training.stopping import Sigterm
from distil_jax.training.trace import Trace
from distil_jax.training.validation import Validate, validator
from distil_jax.training.workdir import CHECKPOINTS, Workdir, lock, resolve


@dataclass(frozen=True)
class RunContext:
    """What a run works with while it goes on: what it is, and where it reports and saves."""

    setup: Setup
    checkpoints: Checkpoints
    sigterm: Sigterm
    goodput: Goodput
    display: Display
    on_log: Callable[[Mapping[str, Any]], None]

    @property
    def first_step(self) -> int:
        """How many steps were done before."""
        return self.setup.latest or 0


def run(
    config: Config,
    workdir: str | Path,
    command: str,
    at_step: Callable[[int], None] = lambda _: None,
    on_log: Callable[[Mapping[str, Any]], None] = lambda _: None,
) -> None:
    """Distil by `config` into `workdir`, from the last checkpoint there if there is one.

    A workdir in a bucket is a `gs://` URL.

    Raises `UserError` for whatever the user can fix, before anything is written wherever that is
    possible; `Diverged`, and `Stopped` after SIGTERM. Of several processes each calls this, and
    the first one writes; `at_step` hears of every step that is done, `on_log` gets every line of
    metrics.jsonl.
    """
    check_path(workdir)
    on_disk = resolve(workdir).folder
    with Sigterm() as sigterm, Goodput() as goodput, full_disk_named(on_disk):
        inputs = load_inputs(config, partial(types_begun_with, workdir))
        with _lock(workdir) as locked, _checkpoints(locked, config.checkpoint) as checkpoints:
            setup = set_up(inputs, locked, command, checkpoints)
            context = RunContext(setup, checkpoints, sigterm, goodput, Display(at_step), on_log)
            _complete(context)


def _complete(context: RunContext) -> None:
    """Do what is left of a run, and show its results."""
    setup, display, latest = context.setup, context.display, context.setup.latest
    display.at_step(context.first_step)
    if is_primary():
        identity.settle(setup.folder, setup.identity)
    finished = latest == setup.total_steps
    results = broadcast_from_primary(
        "results", lambda: earlier_results(setup) if finished else None
    )
    if results is None:
        announce(setup, display)
        results = _distil(context)
    else:
        display.say(f"{setup.workdir.address} is finished already ({latest} steps); nothing to do")
    setup.workdir.publish()
    if is_primary():
        show(setup, results, display)


def _distil(context: RunContext) -> model_figures.Scores:
    """Train what is left, then measure and export; returns the figures."""
    setup = context.setup
    constants, params = put_on_devices(
        setup.models, setup.spec, setup.devices, setup.config.precision
    )
    validate = validator(
        setup.spec,
        setup.devices,
        constants,
        setup.validation_batches,
        micro_rows=setup.shares.micro_rows,
    )
    if is_primary():
        _save_tokenizer(setup)
    before = model_figures.baseline(setup, validate, constants.targets, params)
    health = None
    if is_primary():
        health = expectations.watch(setup, before, context.display, first_step=context.first_step)
        setup.workdir.publish()
    state = _restored(context, setup.devices.replicate(initial_state(setup.spec.optimizer, params)))
    if context.first_step < setup.total_steps:
        with context.sigterm.deferred():
            state = _train(context, state, constants, validate, health)
            context.checkpoints.wait()  # the last one, too, is saved before a stop
    if any_process("stopped at the end", context.sigterm.arrived()):
        context.sigterm.stop()
    after = validate(state.params)
    if health is None:
        return before
    expectations.write(setup.folder, health)
    student = without_projections(stack(jax.device_get(state.params)))
    return finish(setup, before, after, student)


def _train(
    context: RunContext,
    state: State,
    constants: Constants,
    validate: Validate,
    health: Health | None,
) -> State:
    setup, config = context.setup, context.setup.config
    with ExitStack() as stack:
        bar = context.display.bar(
            setup.total_steps, start_step=context.first_step, peak_rate=peak_rate(setup)
        )
        stack.enter_context(bar)
        logger = stack.enter_context(_metrics_logger(context, health))
        loop = Loop(
            step=setup.devices.map(partial(train_step, setup.spec), donate=True),
            devices=setup.devices,
            constants=constants,
            batches=setup.training_batches(context.first_step),
            validate=validate,
            save=partial(_save, context),
            diverged=partial(_diverged, context),
            stopped=partial(_stopped, setup.total_steps),
            stopping=StopConsensus(context.sigterm.arrived).stops,
            logger=logger,
            cadence=StepCadence(
                setup.total_steps,
                config.log.every_steps,
                config.eval.every_steps,
                config.checkpoint.every_steps,
            ),
            trace=stack.enter_context(_trace(setup)),
        )
        return train(loop, state, context.first_step)


def _metrics_logger(context: RunContext, health: Health | None) -> MetricsLogger:
    setup, display = context.setup, context.display
    if health is None:
        return SilentMetricsLogger(display)
    return MetricsLogger(
        setup.folder,
        display,
        partial(_watch, context, health),
        context.goodput,
        devices=setup.devices.count,
        restart_step=context.first_step,
        tensorboard=setup.config.log.tensorboard,
    )


def _watch(context: RunContext, health: Health, line: Mapping[str, Any]) -> None:
    """Warn of what a logged line shows; the file follows with every validation."""
    for concern in health.see(line):
        context.display.warn(f"step {concern.step}: {concern.message}")
    if "validation_loss" in line:
        expectations.write(context.setup.folder, health)
    context.on_log(line)


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


def _restored(context: RunContext, state: State) -> State:
    """The state of the latest checkpoint if there is one, else the one given."""
    setup, checkpoints = context.setup, context.checkpoints
    if setup.latest is None:
        return state
    context.display.say(
        f"resuming from the checkpoint of step {setup.latest} in {checkpoints.folder}"
    )
    restored = checkpoints.restore(stack(state), setup.latest)
    assert restored is not None
    return setup.devices.replicate(layout(setup.spec, restored[1]))


def _save(context: RunContext, step: int, state: State, metric: float | None) -> None:
    everywhere = context.setup.devices.joined(stack(state))
    context.checkpoints.save(step, everywhere, config=context.setup.identity, metric=metric)


def _diverged(context: RunContext, step: int, figures: str) -> str:
    checkpoints, workdir = context.checkpoints, context.setup.workdir.address
    checkpoints.wait()
    steps = checkpoints.steps()
    what = f"diverged at step {step} with {figures}"
    advice = "lower config.optimizer.learning_rate or set config.optimizer.clip"
    if not steps:
        return f"{what}; no checkpoint was saved before; {advice}"
    last = steps[-1]
    return (
        f"{what}; the last good checkpoint is step {last}, {checkpoints.where(last)}; {advice}, in "
        "another --workdir, with --config.student.folder=FOLDER to go on from that checkpoint: "
        f"python -m distil_jax.export --workdir={workdir} --step={last} --output=FOLDER"
    )


def _stopped(total_steps: int, step: int) -> str:
    return (
        f"stopped by SIGTERM after step {step} of {total_steps}, which is saved; "
        "rerun the same command to resume"
    )


def _save_tokenizer(setup: Setup) -> None:
    """Exporting a checkpoint needs the tokenizer besides it; a damaged one is replaced."""
    folder = setup.folder / "tokenizer"
    with writing(folder), new_folder(folder) as draft:
        save_tokenizer(draft, setup.models.tokenizer)
