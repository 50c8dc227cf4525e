"""A run: load the teacher, derive the student, train, score, export; again, and it goes on."""

import dataclasses
import hashlib
import json
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import jax

from distil_jax.data import loader
from distil_jax.data import prepare as preparation
from distil_jax.data.corpus import find as find_text
from distil_jax.data.store import Split, open_split
from distil_jax.errors import Stopped, UserError
from distil_jax.run import finish
from distil_jax.training import assemble, parallel
from distil_jax.training.assemble import Models
from distil_jax.training.checkpoint import Checkpoints
from distil_jax.training.config import Config, as_dict
from distil_jax.training.difference import difference
from distil_jax.training.loop import Cadence, Loop, train
from distil_jax.training.parallel import Devices, Shares
from distil_jax.training.progress import Display
from distil_jax.training.record import Record
from distil_jax.training.step import Distillation, State, start, train_step
from distil_jax.training.validation import Validate, validator
from distil_jax.training.workdir import claim, write_text

FREE_TO_CHANGE = (
    "run.parallel",
    "run.batch.micro",
    "run.loss.chunk",
    "run.checkpoint",
    "run.eval",
    "run.log",
    "run.data.train",
    "run.data.validation",
    "run.teacher",
    "run.tokenizer",
    "run.student.folder",
)
"""Keys that a resumed run may change: they change no number, or what they name is compared itself."""


def run(config: Config, workdir: Path, command: str) -> None:
    """Distil by `config` into `workdir`, from the last checkpoint there if there is one.

    Raises `UserError` for whatever the user can mend, before anything is written wherever that is
    possible; `Diverged`, and `Stopped` after SIGTERM.
    """
    with _sigterm() as stopping:
        devices = parallel.devices(config.parallel)
        shares = parallel.shares(config.batch.sequences, config.batch.micro, devices.count)
        models = assemble.models(config)
        _check_data_early(config, models)
        with claim(workdir):
            display = Display()
            train_data, held_out = _data(config, workdir, models)
            identity = _identity(config, models, train_data)
            with Checkpoints(
                workdir / "checkpoints",
                keep=config.checkpoint.keep,
                keep_best=config.checkpoint.keep_best,
            ) as checkpoints:
                latest = checkpoints.latest()
                if latest is not None:
                    _check_identity(workdir, checkpoints.config(latest), identity)
                made = _Run(
                    config, workdir, command, devices, shares, models, train_data, held_out,
                    identity, checkpoints, display, stopping,
                )  # fmt: skip
                made.run(latest)


@dataclasses.dataclass(frozen=True)
class _Run:
    config: Config
    workdir: Path
    command: str
    devices: Devices
    shares: Shares
    models: Models
    train_data: Split
    held_out: Split
    identity: dict[str, Any]
    checkpoints: Checkpoints
    display: Display
    stopping: Callable[[], bool]

    def run(self, latest: int | None) -> None:
        config, models = self.config, self.models
        total_steps = assemble.steps(config, self.train_data)
        run = assemble.distillation(config, models, self.train_data, self.shares)
        teacher_params = self.devices.replicate(
            {}
            if models.teacher is None
            else assemble.cast(models.teacher.params, config.precision.teacher)
        )
        validate = validator(run, self.devices, teacher_params, self._validation_batches)
        params = self.devices.replicate(assemble.cast(models.params, config.precision.parameters))
        self._announce(total_steps, latest)
        finish.remember_model(self.workdir, models)
        baseline = self._baseline(run, validate, teacher_params, params)
        state = self._state(run, params, latest)
        if latest is None or latest < total_steps:
            state = self._train(run, state, latest or 0, total_steps, teacher_params, validate)
        finish.finish(
            finish.Finished(
                config, self.workdir, self.command, models, run, total_steps, baseline,
                self.train_data, self.held_out,
            ),
            jax.device_get(state.params),
            lambda: validate(state.params),
            self.display,
        )  # fmt: skip

    def _train(
        self,
        run: Distillation,
        state: State,
        first_step: int,
        total_steps: int,
        teacher_params: Any,
        validate: Validate,
    ) -> State:
        config = self.config
        with ExitStack() as stack:
            stack.enter_context(self.display.bar(total_steps, start_step=first_step))
            record = Record(
                self.workdir,
                self.display,
                restart_step=first_step,
                tensorboard=config.log.tensorboard,
            )
            stack.callback(record.close)
            loop = Loop(
                step=self.devices.map(partial(train_step, run), donate=True),
                devices=self.devices,
                teacher_params=teacher_params,
                batches=self._training_batches(first_step),
                validate=validate,
                save=self._save,
                last_saved=self._last_saved,
                stopping=self.stopping,
                record=record,
                cadence=Cadence(
                    total_steps,
                    config.log.every_steps,
                    config.eval.every_steps,
                    config.checkpoint.every_steps,
                ),
            )
            return train(loop, state, first_step)

    def _state(self, run: Distillation, params: Any, latest: int | None) -> State:
        state = self.devices.replicate(start(run, params))
        if latest is None:
            return state
        restored = self.checkpoints.restore(state, latest)
        assert restored is not None
        return restored[1]

    def _save(self, step: int, state: State, metric: float | None) -> None:
        self.checkpoints.save(step, state, config=self.identity, metric=metric)
        if self.stopping():
            self.checkpoints.wait()

    def _last_saved(self) -> str:
        self.checkpoints.wait()
        steps = self.checkpoints.steps()
        if not steps:
            return "no checkpoint was saved before"
        return (
            f"the last good checkpoint is step {steps[-1]}, {self.checkpoints.folder}/{steps[-1]}"
        )

    def _baseline(
        self, run: Distillation, validate: Validate, teacher_params: Any, params: Any
    ) -> dict[str, dict[str, float]]:
        """Held-out figures of the teacher and of the student before its first step."""
        path = self.workdir / "baseline.json"
        if path.exists():
            return json.loads(path.read_text())
        baseline = {"student, initialised": validate(params)}
        if run.teacher is not None:
            alone = dataclasses.replace(run, student=run.teacher, teacher=None)
            score = validator(alone, self.devices, {}, self._validation_batches)(teacher_params)
            kept = {name: score[name] for name in ("masked_lm", "perplexity", "accuracy")}
            baseline = {"teacher": kept, **baseline}
        write_text(path, json.dumps(baseline, indent=2) + "\n")
        first = baseline["student, initialised"]
        self.display.say(
            f"held-out MLM loss: student right after initialisation {first['masked_lm']:.3f}"
            + (f", teacher {baseline['teacher']['masked_lm']:.3f}" if run.teacher else "")
        )
        return baseline

    def _training_batches(self, first_step: int) -> Iterator[Any]:
        return loader.training_batches(
            self.train_data,
            batch=self.shares.rows,
            seed=self.config.seed,
            start_step=first_step,
            process_index=jax.process_index(),
            process_count=jax.process_count(),
        )

    def _validation_batches(self) -> Iterator[Any]:
        rows = self.config.eval.sequences or self.shares.micro_rows * self.devices.count
        return loader.validation_batches(
            self.held_out,
            batch=-(-rows // self.devices.count) * self.devices.count,
            process_index=jax.process_index(),
            process_count=jax.process_count(),
        )

    def _announce(self, total_steps: int, latest: int | None) -> None:
        shares, data, student = self.shares, self.train_data, self.models.student
        say = self.display.say
        platform = self.devices.devices[0].device_kind
        teacher = self.models.teacher
        if teacher is not None:
            say(
                f"teacher: {self.config.teacher}, {teacher.config.layers} layers; student: "
                f"{student.layers} layers"
                + (
                    f", from teacher layers {list(self.models.layers)}"
                    if self.models.layers
                    else ""
                )
            )
        say(
            f"data: {data.rows:,} rows of {data.length} tokens, {data.summary.sequences:,} "
            f"sequences, {data.summary.tokens:,} tokens; held out {self.held_out.rows:,} rows"
        )
        say(
            f"steps: {total_steps} of {shares.rows} rows ({shares.device_rows} a device, in "
            f"{shares.micro_batches} micro-batches of {shares.micro_rows}) on "
            f"{self.devices.count} x {platform} ({self.devices.mode})"
        )
        if latest is not None:
            say(f"resuming from the checkpoint of step {latest} in {self.checkpoints.folder}")


def _check_data_early(config: Config, models: Models) -> None:
    """What can be known of the data before the workdir is made."""
    for key in ("train", "validation"):
        named = getattr(config.data, key)
        if not named:
            continue
        if _is_prepared(named):
            split = open_split(named, "train" if key == "train" else "validation")
            assemble.check_data(config, models, split, key)
        else:
            assemble.check_length(models, config.batch.length, "config.batch.length is")
            find_text(named, document=config.data.document)
    if _is_prepared(config.data.train):
        _held_out(config, config.data.validation or config.data.train)


def _is_prepared(name: str) -> bool:
    folder = Path(name)
    return any((place / "manifest.json").is_file() for place in (folder, folder.parent))


def _data(config: Config, workdir: Path, models: Models) -> tuple[Split, Split]:
    """The training rows and the held-out rows, prepared here if the config names text."""
    folders = {}
    for key in ("train", "validation"):
        named = getattr(config.data, key)
        folders[key] = named
        if named and not _is_prepared(named):
            folders[key] = str(workdir / ("data" if key == "train" else "validation_data"))
            preparation.prepare(
                named,
                folders[key],
                models.tokenizer,
                document=config.data.document,
                heldout=config.data.heldout if key == "train" else 1.0,
                length=config.batch.length,
            )
    data = open_split(folders["train"], "train")
    if data.rows == 0:
        raise UserError(f"config.data.train={config.data.train} holds no rows; prepare more text")
    assemble.check_data(config, models, data, "train")
    held_out = _held_out(config, folders["validation"] or folders["train"])
    assemble.check_data(config, models, held_out, "validation")
    return data, held_out


def _held_out(config: Config, folder: str) -> Split:
    if Path(folder).name == "train" and not (Path(folder) / "manifest.json").is_file():
        folder = str(Path(folder).parent)
    split = open_split(folder, "validation")
    if split.rows == 0:
        raise UserError(
            f"{folder} holds no held-out rows; prepare it with a larger --heldout, or set "
            "config.data.validation"
        )
    return split


def _identity(config: Config, models: Models, data: Split) -> dict[str, Any]:
    """What a checkpoint belongs to, and what exporting it needs."""
    return {
        "run": as_dict(config),
        "model": dataclasses.asdict(models.student),
        "layers": list(models.layers),
        "teacher": _weights_digest(models),
        "data": hashlib.sha256(data.manifest.to_bytes()).hexdigest(),
    }


def _weights_digest(models: Models) -> str | None:
    if models.teacher is None:
        return None
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(models.teacher.params):
        digest.update(jax.tree_util.keystr(path).encode())
        digest.update(jax.device_get(leaf).tobytes())
    return digest.hexdigest()


def _check_identity(workdir: Path, saved: dict[str, Any], current: dict[str, Any]) -> None:
    differs = difference(saved, current, ignore=FREE_TO_CHANGE)
    if differs:
        told = "; ".join(line.removeprefix("run.") for line in differs)
        raise UserError(
            f"{workdir} holds checkpoints of another config: {told}; "
            "use the config they were made with, or another --workdir"
        )


@contextmanager
def _sigterm() -> Iterator[Callable[[], bool]]:
    """Notes SIGTERM instead of dying of it, for as long as the block runs."""
    arrived: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: arrived.append(number))
    try:
        yield lambda: bool(arrived)
        if arrived:
            raise Stopped("stopped by SIGTERM after the last step; everything is saved")
    finally:
        signal.signal(signal.SIGTERM, before)
