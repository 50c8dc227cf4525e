"""The teacher's outputs for a run's rows, stored once: what `python -m distil_jax.cache` does."""

import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from distil_jax.configuration.schema import Config
from distil_jax.data import loader
from distil_jax.data.corpus import Source
from distil_jax.data.corpus import find as find_text
from distil_jax.data.store import is_prepared
from distil_jax.errors import UsageError
from distil_jax.models.intermediates import Request
from distil_jax.models.weights_digest import weights_digest
from distil_jax.planning.flops import config_flops
from distil_jax.run import data_cursor
from distil_jax.run.data import prepare_rows
from distil_jax.run.data_cursor import START
from distil_jax.run.model_figures import teacher_figures
from distil_jax.run.placement import put_on_devices
from distil_jax.run.setup import RunInputs, load_inputs, step_spec
from distil_jax.run.stored_targets import VALIDATION, content_settings, teacher_settings
from distil_jax.run.target_outputs import Job, columns_of, computer, content_of
from distil_jax.run.text_targets import cache_targets, types_begun_with
from distil_jax.storage.cache import cache_folder
from distil_jax.target_store import Share, StoreManifest, Table, write
from distil_jax.tokenizer import fingerprint
from distil_jax.training.stored_source import epoch_table
from distil_jax.training.targets import shapes_of
from distil_jax.training.workdir import resolve

SAY_SECONDS = 10.0

Layers = tuple[int, ...] | Literal["all"]


@dataclass(frozen=True)
class CacheSettings:
    """What is stored besides what the config says.

    Attributes:
      epochs: of masks; 0: as many as the run of this config masks its rows in.
      top_k: tokens of a distribution; 0: the config's number, else `TOP_K` or a small vocabulary.
      dtype: of log-probabilities and hidden states.
      layers: whose hidden states are stored besides, 0 being the embeddings; "all": of all.
      attention_layers: whose queries, keys and values are stored besides, from 1.
    """

    epochs: int = 0
    top_k: int = 0
    dtype: str = "float16"
    share: Share = field(default_factory=Share)
    layers: Layers = ()
    attention_layers: Layers = ()

    def request(self, layers: int) -> Request:
        """What is stored besides, of a teacher of so many layers."""
        return Request(
            hidden_states=frozenset(_numbers(self.layers, range(layers + 1))),
            queries_keys_values=frozenset(_numbers(self.attention_layers, range(1, layers + 1))),
        )


def cache(
    config: Config, output: str | Path, settings: CacheSettings, say: Callable[[str], None]
) -> StoreManifest | None:
    """Store a config's targets, or what is missing of them; None while other shares are not done.

    Raises `UserError` for what a run of the config would refuse, for an objective whose needs
    cannot be stored, and for a folder of something else.
    """
    if config.loss.of_vectors:
        return cache_targets(output, config, settings.share, say)
    job = _job(config, settings, output)
    tables = _tables(job)
    _announce(job, tables, say)
    progress = _Progress(say, sum(table.rows for table in tables), job.train.length)
    manifest = write(
        output,
        tables,
        computer(job),
        settings=_store_settings(job),
        share=settings.share,
        unit=job.rows_at_once,
        notes=partial(_notes, job),
        made=progress.made,
    )
    if manifest is None:
        say(f"this share of {output} is finished; others are not yet")
    else:
        stored = sum(table.bytes for table in manifest.tables.values())
        say(f"stored {output}: {stored / 1e6:,.1f} MB; run with --config.targets={output}")
    return manifest


def _numbers(layers: Layers, every: range) -> Iterable[int]:
    return every if layers == "all" else layers


def _job(config: Config, settings: CacheSettings, output: str | Path) -> Job:
    if config.targets or not config.teacher:
        raise UsageError(
            "targets are made by a teacher: set config.teacher, and leave targets empty"
        )
    inputs = load_inputs(config, partial(types_begun_with, output))
    layers = inputs.models.teachers[0].config.layers
    more = settings.request(layers)
    more.check(layers)  # before text is prepared for hours
    config = inputs.config
    train, validation = prepare_rows(
        config, resolve(_rows_folder(inputs)), inputs.models.tokenizer, inputs.rows
    )
    steps = data_cursor.total_steps(START, config, train)
    spec = step_spec(inputs, train, steps)
    content = content_of(spec, settings.top_k, train.length, more)
    constants, _ = put_on_devices(inputs.models, spec, inputs.devices, config.precision)
    epochs = math.ceil(steps * config.batch.size / train.rows)
    if config.masking.epochs:
        epochs = min(epochs, config.masking.epochs)
    return Job(
        inputs,
        spec,
        constants,
        content,
        train,
        validation,
        settings.epochs or epochs,
        settings.dtype,
    )


def _rows_folder(inputs: RunInputs) -> Path:
    """Where text is prepared: by what decides the rows, so that no two share a folder."""
    config = inputs.config
    data = config.data
    sources = {
        name: [source.identity() for source in _texts(config, name)]
        for name in (data.train, data.validation)
        if name and not is_prepared(name)
    }
    parts = [sources, dataclasses.asdict(data), config.batch.length]
    key = json.dumps([*parts, fingerprint(inputs.models.tokenizer)], default=str)
    return cache_folder("rows") / hashlib.sha256(key.encode()).hexdigest()[:16]


def _texts(config: Config, name: str) -> list[Source]:
    return find_text(name, document=config.data.document, column=config.data.column)


def _tables(job: Job) -> list[Table]:
    columns = tuple(columns_of(job))
    training = [Table(epoch_table(epoch), job.train.rows, columns) for epoch in range(job.epochs)]
    return [Table(VALIDATION, job.validation.rows, columns), *training]


def _store_settings(job: Job) -> dict[str, Any]:
    inputs, config = job.inputs, job.inputs.config
    models, shape = inputs.models, job.spec.targets.config
    assert shape is not None
    weights = [weight for _, weight in config.every_teacher]
    digests = [weights_digest(each.params) for each in models.teachers]
    seen = dataclasses.replace(shape, vocabulary=models.student.vocabulary)
    unknown = [np.flatnonzero(ids < 0) for ids in models.token_maps if ids is not None]
    return {
        **content_settings(config, fingerprint(models.tokenizer), job.train, job.validation),
        "teachers": teacher_settings(digests, weights),
        "precision": config.precision.teacher,
        "shape": json.loads(json.dumps(dataclasses.asdict(seen))),
        "unknown_tokens": sorted({int(each) for some in unknown for each in some}),
        "epochs": list(range(job.epochs)),
        "positions": "masked" if job.content.masked else "all",
        "top_k": job.content.top_k,
        "temperature": config.loss.temperature,
        "layers": list(job.content.layers),
        # Left out where there are none, as folders of before have it.
        **({"projected": list(job.content.projected)} if job.content.projected else {}),
        "dtype": job.dtype,
    }


def _notes(job: Job) -> dict[str, Any]:
    """The teacher's figures on the validation rows, which a run without it still shows."""
    models = job.inputs.models
    assert models.teacher is not None
    size = {"parameters": models.teacher_parameters}
    if models.teacher.head is None:
        return {"teacher": size}
    batches = partial(loader.validation_batches, job.validation, batch=job.rows_at_once)
    found = teacher_figures(
        job.spec,
        job.inputs.devices,
        batches,
        job.constants.targets,
        micro_rows=job.inputs.shares.micro_rows,
    )
    return {"teacher": {**found, **size}}


def _announce(job: Job, tables: list[Table], say: Callable[[str], None]) -> None:
    """Say what it costs, and from when on it pays."""
    content, config, models = job.content, job.inputs.config, job.inputs.models
    row_bytes, rows = tables[0].row_bytes, sum(table.rows for table in tables)
    parts = []
    if content.top_k:
        where = "masked" if content.masked else "all"
        vocabulary = models.student.vocabulary
        parts.append(f"{content.top_k} of {vocabulary:,} tokens at {where} positions")
    if content.layers:
        parts.append(f"hidden states of layers {', '.join(map(str, content.layers))}")
    if content.projected:
        layers = ", ".join(map(str, content.projected))
        parts.append(f"queries, keys and values of layers {layers}")
    assert models.teacher is not None
    flops = config_flops(
        config,
        models.teacher.config,
        models.student,
        length=job.train.length,
        others=[each.config for each in models.others],
        shapes=shapes_of(job.spec.targets, job.spec.objectives),
    )
    say(
        f"targets: {' and '.join(parts)}, {job.dtype}: {row_bytes / job.train.length:,.0f} bytes a "
        f"token, {row_bytes * rows / 1e9:,.3f} GB for {_epochs(job)} of {job.train.rows:,} "
        f"rows of {job.train.length} and {job.validation.rows:,} held-out rows"
    )
    say(
        f"the teacher is {flops.teacher_share:.0%} of a step's FLOPs; storing runs it over "
        f"{_epochs(job)} of rows, as one run over them does: it pays from epoch "
        f"{job.epochs + 1} on, counted over all runs that read it (further runs, or one with "
        f"config.masking.epochs={job.epochs})"
    )


def _epochs(job: Job) -> str:
    return f"{job.epochs} epoch{'s' * (job.epochs != 1)}"


class _Progress:
    """A line every ten seconds."""

    def __init__(self, say: Callable[[str], None], rows: int, length: int) -> None:
        self._say, self._rows, self._length = say, rows, length
        self._done = self._new = 0
        self._started = self._spoken = time.monotonic()

    def made(self, rows: int, new: bool) -> None:
        self._done += rows
        self._new += rows * new
        now = time.monotonic()
        if now - self._spoken > SAY_SECONDS:
            self._spoken = now
            rate = self._new * self._length / (now - self._started)
            self._say(f"{self._done:,} of {self._rows:,} rows stored ({rate:,.0f} tokens/s)")
