"""What a run is made of: its config, devices, models and rows, checked against each other once.

`load_inputs` reads and checks without writing; `set_up` adds what needs the run's workdir.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np

from distil_jax.configuration.schema import Config
from distil_jax.data import loader
from distil_jax.data.masking import Masking, frequency_weights
from distil_jax.data.next_tokens import NextTokens
from distil_jax.data.store import Split, token_counts
from distil_jax.errors import UserError
from distil_jax.run import data_cursor, identity, student_start, text_targets
from distil_jax.run.data import Rows, check_pairs, find_rows, prepare_rows
from distil_jax.run.data_cursor import DataCursor
from distil_jax.run.models import Models, check_platform, load_models
from distil_jax.run.stored_targets import Stored, content_settings
from distil_jax.run.text_targets import TextTargets, open_targets, targets_in
from distil_jax.storage.address import join
from distil_jax.tokenizer import fingerprint, mask_token, special_ids
from distil_jax.training import assemble, parallel
from distil_jax.training.assemble import SentenceShapes
from distil_jax.training.checkpoint import Checkpoints
from distil_jax.training.parallel import Devices, Shares
from distil_jax.training.precision import settled
from distil_jax.training.step import StepSpec
from distil_jax.training.student import narrowing_rule
from distil_jax.training.workdir import Workdir


@dataclass(frozen=True)
class RunInputs:
    """A run without a workdir. Rows that are still text are None in `rows`."""

    config: Config
    devices: Devices
    shares: Shares
    models: Models
    rows: Rows


@dataclass(frozen=True)
class Setup:
    """A run before its first step, or before the first one after its latest checkpoint.

    Attributes:
      command: the command line, for the model card.
      identity: what its checkpoints belong to.
      cursor: where in the data its batch was chosen.
      latest: the step of its latest checkpoint; None if there is none.

    A run that an earlier version began keeps that version's dropout bits.
    """

    config: Config
    devices: Devices
    shares: Shares
    models: Models
    train_data: Split
    validation_data: Split
    workdir: Workdir
    command: str
    identity: dict[str, Any]
    cursor: DataCursor
    latest: int | None

    @property
    def folder(self) -> Path:
        """Where this process writes files."""
        return self.workdir.folder

    @property
    def teacher_predicts(self) -> bool:
        """Whether there is a teacher that predicts masked tokens itself."""
        teacher = self.models.teacher
        return teacher is not None and teacher.head is not None and self.spec.masking is not None

    @property
    def _targets(self) -> Stored | TextTargets | None:
        """What comes with the rows."""
        return self.models.stored or self.models.text_targets

    @cached_property
    def total_steps(self) -> int:
        return data_cursor.total_steps(self.cursor, self.config, self.train_data)

    @cached_property
    def spec(self) -> StepSpec:
        """The compiled step's constants."""
        spec = step_spec(self, self.train_data, self.total_steps)
        return replace(spec, dropout_bits=self.identity[identity.DROPOUT_BITS])

    def training_batches(self, first_step: int) -> Iterator[Any]:
        """This process's share of the batches after `first_step` steps, for ever."""
        return loader.training_batches(
            self.train_data,
            batch=self.shares.rows,
            seed=self.config.seed,
            start_step=first_step - self.cursor.step,
            first_row=self.cursor.row,
            process=loader.Process(jax.process_index(), jax.process_count()),
            mask_epochs=self.config.masking.epochs,
            beside=None if self._targets is None else self._targets.training,
        )

    def validation_batches(self) -> Iterator[Any]:
        """This process's share of all validation rows, once."""
        unit = self.devices.count * self.config.loss.group_rows
        rows = self.config.eval.batch_size or self.shares.micro_rows * self.devices.count
        return loader.validation_batches(
            self.validation_data,
            batch=-(-rows // unit) * unit,
            process=loader.Process(jax.process_index(), jax.process_count()),
            beside=None if self._targets is None else self._targets.validation,
        )


def load_inputs(config: Config, begun: Callable[[], Mapping[str, str]] = dict) -> RunInputs:
    """Find the devices, load the models, open the rows, and see that they fit each other.

    `begun` is that of `settled`. Raises `UserError` for whatever the user can fix; nothing is
    written.
    """
    config = settled(config, begun=begun)
    devices = parallel.devices(config.parallel)
    shares = parallel.shares_of(config, devices.count)
    rows = find_rows(config)  # a mistyped folder is refused before a teacher is downloaded
    models = load_models(config)
    check_platform(config, models)
    _check(config, models, rows)
    return RunInputs(config, devices, shares, models, rows)


def types_begun_with(workdir: str | Path) -> dict[str, str]:
    """What a run's workdir was begun with, as `settled` takes it; empty for a new one."""
    stored = text_targets.types_begun_with(join(workdir, text_targets.FOLDER))
    return {**stored, **identity.types_begun_with(workdir)}


def set_up(inputs: RunInputs, workdir: Workdir, command: str, checkpoints: Checkpoints) -> Setup:
    """Prepare the rows that are still text, and resume where the workdir's checkpoints end.

    Raises `UserError` if these are another run's, before anything is written.
    """
    config, models = inputs.config, inputs.models
    latest = checkpoints.latest()
    saved = None if latest is None else identity.of_today(checkpoints.config(latest))
    current = identity.of(config, models)
    if saved is not None:
        identity.check(workdir.address, saved, current)
    train, validation = prepare_rows(config, workdir, models.tokenizer, inputs.rows)
    check_pairs(config, train, validation)
    if models.by_text:
        vectors = _text_targets(config, models, workdir, train, validation)
        models = replace(models, text_teacher=None, text_table=vectors.table, text_targets=vectors)
    cursor = data_cursor.resume(saved, latest or 0, config, train)
    if models.stored is not None:
        _check_stored(config, models, cursor, train, validation)
    current = identity.with_data(current, train, validation, cursor)
    current[identity.DROPOUT_BITS] = (saved or {}).get(identity.DROPOUT_BITS, "place")
    if saved is not None:
        identity.check(workdir.address, saved, current)
    return Setup(
        config=config,
        devices=inputs.devices,
        shares=inputs.shares,
        models=_fitted(config, models, train),
        train_data=train,
        validation_data=validation,
        workdir=workdir,
        command=command,
        identity=current,
        cursor=cursor,
        latest=latest,
    )


def _text_targets(
    config: Config, models: Models, workdir: Workdir, train: Split, validation: Split
) -> TextTargets:
    table = models.text_table
    if table is None:
        assert models.text_teacher is not None
        table = targets_in(workdir, config, models.text_teacher, models.tokenizer)
    return open_targets(table, config, models.tokenizer, (train, validation), _most_segments(train))


def _most_segments(train: Split) -> int:
    shortest = max(1, int(train.manifest.settings.get("shortest_tokens", 1)))
    return max(1, train.length // shortest)


def _fitted(config: Config, models: Models, train: Split) -> Models:
    """The models, with what of the student's first weights is fitted on the rows.

    That is all of a student that is pruned in width, and the head of one whose teacher has none.
    """
    teacher = models.teacher or models.origin
    models = replace(models, origin=None)
    if teacher is None or config.student.folder or config.loss.of_vectors:
        return models
    masking = _masking(config, models, train)
    if not isinstance(masking, Masking):
        return models
    if narrowing_rule(config, teacher.config) == "prune":
        params = student_start.fitted(config, teacher, models.layers, train, masking)
    elif "head" not in models.params:
        params = student_start.with_head(config, models.student, models.params, train, masking)
    else:
        return models
    return replace(models, params=params)


def step_spec(inputs: RunInputs | Setup, train: Split, total_steps: int) -> StepSpec:
    """The constants of the step that trains on these rows."""
    config, models = inputs.config, inputs.models
    sentences = _sentences(models, train)
    spec = assemble.step_spec(
        config if models.stored is None else models.stored.adapted(config),
        student=models.student,
        targets=models.source(config, sentences),
        masking=None if sentences else _masking(config, models, train),
        sentences=sentences,
        total_steps=total_steps,
        shares=inputs.shares,
    )
    if not inputs.config.student.vocabulary:
        return spec
    special = special_ids(inputs.models.tokenizer)
    rest = special.pad if special.unk is None else special.unk
    return assemble.with_smaller_vocabulary(spec, rest)


def _sentences(models: Models, train: Split) -> SentenceShapes | None:
    """How vectors are made of these rows; None where masked tokens are predicted."""
    if models.vectors is None:
        return None
    return SentenceShapes(
        models.vectors, models.teacher_vectors, _most_segments(train), models.teacher_width
    )


def _check_stored(
    config: Config, models: Models, cursor: DataCursor, train: Split, validation: Split
) -> None:
    """Refuse stored targets of other rows, or of fewer epochs than the run masks its rows in."""
    assert models.stored is not None
    tokens = fingerprint(models.tokenizer)
    models.stored.check_content(content_settings(config, tokens, train, validation))
    steps = data_cursor.total_steps(cursor, config, train)
    last = (cursor.after(steps, config.batch.size) - 1) // train.rows
    if config.masking.epochs:
        last = min(last, config.masking.epochs - 1)
    models.stored.check_epochs(last)


def _masking(config: Config, models: Models, train: Split) -> Masking | NextTokens:
    if models.student.block.causal:
        return NextTokens()
    special = special_ids(models.tokenizer)
    weights = None
    if config.masking.frequency_power:
        counts = np.zeros(models.student.vocabulary, np.int64)
        seen = token_counts(train.folder)
        counts[: len(seen)] = seen
        weights = frequency_weights(counts, config.masking.frequency_power)
    return Masking(
        vocabulary=len(models.tokenizer),
        special=special.every,
        mask_token=mask_token(models.tokenizer),
        percent=config.masking.percent,
        mask_percent=config.masking.mask_percent,
        random_percent=config.masking.random_percent,
        weights=weights,
    )


def _check(config: Config, models: Models, rows: Rows) -> None:
    """Refuse rows of another tokenizer, and rows longer than the models' positions."""
    for key, split in {"train": rows.train, "validation": rows.validation}.items():
        if split is None:
            _check_length(models, config.batch.length, "config.batch.length is")
            continue
        folder = getattr(config.data, key) or config.data.train
        if split.manifest.tokenizer != fingerprint(models.tokenizer):
            raise UserError(
                f"config.data.{key}={folder} was prepared with another tokenizer "
                f"({split.manifest.vocabulary} tokens) than that of "
                f"{config.tokenizer or config.teacher or config.student.folder} "
                f"({len(models.tokenizer)} tokens); prepare it again with --tokenizer= that folder"
            )
        _check_length(models, split.length, f"config.data.{key}={folder} has rows of")


def _check_length(models: Models, length: int, what: str) -> None:
    shapes = [models.student, *(teacher.config for teacher in models.teachers)]
    positions = min(shape.positions for shape in shapes)
    if length > positions:
        raise UserError(
            f"{what} {length} tokens, but the models have {positions} positions; use at most "
            f"{positions}"
        )
