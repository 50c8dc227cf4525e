"""What a run's objectives need of the teacher, computed for rows, as columns to be stored."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec
from jaxtyping import Array

from distil_jax.data.masking import masked_positions
from distil_jax.data.store import Split
from distil_jax.errors import UserError
from distil_jax.losses.chunks import even_chunk
from distil_jax.losses.top_tokens import top_tokens
from distil_jax.losses.vocabulary_teacher import Decoder, VocabularyTeacher
from distil_jax.models import EncoderConfig
from distil_jax.models.intermediates import Request
from distil_jax.models.types import Batch
from distil_jax.objectives import Objective, active, vocabulary_teacher
from distil_jax.run.setup import RunInputs
from distil_jax.run.stored_targets import VALIDATION, epoch_of
from distil_jax.target_store import Column
from distil_jax.training.parallel import AXIS
from distil_jax.training.step import Constants, StepSpec, mask_batch
from distil_jax.training.targets import (
    HIDDEN,
    IDS,
    PROJECTED,
    REST,
    SHARES,
    SUM,
    LiveTeachers,
    projected_column,
    stored_request,
)
from distil_jax.training.validation import VALIDATION_SEED

TOP_K = 64
"""Tokens of a distribution where the config says no number, and the vocabulary is not small."""
SMALL_VOCABULARY = 1024
LOWEST = -60_000.0
"""The lowest log-probability: what float16 holds."""
NOTHING_MORE = Request()


@dataclass(frozen=True)
class Content:
    """What the active objectives need of the teacher.

    Attributes:
      layers: whose hidden states.
      projected: whose queries, keys and values.
      top_k: tokens of a distribution; 0: none.
      masked: whether distributions are at masked positions alone.
    """

    layers: tuple[int, ...]
    projected: tuple[int, ...]
    top_k: int
    masked: bool


@dataclass(frozen=True)
class Job:
    """What the shards are made from.

    Attributes:
      epochs: of masks that are drawn.
      dtype: of log-probabilities and hidden states.
    """

    inputs: RunInputs
    spec: StepSpec
    constants: Constants
    content: Content
    train: Split
    validation: Split
    epochs: int
    dtype: str

    @property
    def rows_at_once(self) -> int:
        return self.inputs.shares.micro_rows * self.inputs.devices.count


def content_of(spec: StepSpec, top_k: int, length: int, more: Request = NOTHING_MORE) -> Content:
    """What the active objectives need, and `more`; raises `UserError` for what is not stored."""
    teacher = spec.targets.config
    assert teacher is not None, "there is a teacher: it was checked"
    assert spec.masking is not None, "vectors of sentences are refused before"
    compared = [one for one in active(spec.loss) if one.needs_teacher]
    if not compared:
        raise UserError("no active objective compares with a teacher: there is nothing to store")
    more.check(teacher.layers)
    request = more
    for one in compared:
        if one.compute is not None:
            request |= _stored_of(spec, one, teacher)
    of_logits = [one.name for one in compared if one.vocabulary is not None]
    vocabulary = spec.student.config.vocabulary
    count = 0
    if of_logits:
        wanted = top_k or spec.loss.options["soft_target"]["top_k"]
        count = wanted or (vocabulary if vocabulary <= SMALL_VOCABULARY else TOP_K)
        count = vocabulary if "logit_mse" in of_logits else min(count, vocabulary)
    masked = spec.loss.positions == "masked" and spec.masking.max_masked(length) < length
    return Content(
        tuple(sorted(request.hidden_states)),
        tuple(sorted(request.queries_keys_values)),
        count,
        masked,
    )


def _stored_of(spec: StepSpec, objective: Objective, teacher: EncoderConfig) -> Request:
    """What is stored for an objective of hidden states or attention; raises `UserError`."""
    if not _of_first(spec, objective):
        raise UserError(
            f"config.loss.{objective.name} compares with another teacher than the first, whose "
            "hidden states are all that is stored; set it to 0, or run with the teachers themselves"
        )
    request = stored_request(objective, spec.student.config, teacher)
    kept = Request(
        hidden_states=request.hidden_states, queries_keys_values=request.queries_keys_values
    )
    if request != kept:
        raise UserError(
            f"config.loss.{objective.name} needs more of the teacher than hidden states, queries, "
            "keys, values and distributions, which are all that is stored; set it to 0, or run "
            "with the teacher itself"
        )
    return request


def _of_first(spec: StepSpec, objective: Objective) -> bool:
    """Whether an objective compares with the first teacher."""
    source = spec.targets
    return not isinstance(source, LiveTeachers) or not source.model.teacher_of.get(objective.name)


def columns_of(job: Job) -> Iterator[Column]:
    content, length, spec = job.content, job.train.length, job.spec
    assert spec.masking is not None
    if content.top_k:
        places = spec.masking.max_masked(length) if content.masked else length
        ids = "uint16" if spec.student.config.vocabulary <= 1 << 16 else "int32"
        yield Column(IDS, ids, (places, content.top_k))
        yield Column(SHARES, job.dtype, (places, content.top_k))
        yield Column(SUM, "float32", (places,))
        yield Column(REST, "float32", (places,))
    assert spec.targets.config is not None
    width = spec.targets.config.hidden_size
    for layer in content.layers:
        yield Column(f"{HIDDEN}_{layer}", job.dtype, (length, width))
    for layer in content.projected:
        for name in PROJECTED:
            yield Column(projected_column(name, layer), job.dtype, (length, width))


def computer(job: Job) -> Callable[[str, range], Mapping[str, np.ndarray]]:
    """A function from a table and some of its rows to their columns."""
    devices = job.inputs.devices
    compiled = {
        seed: jax.jit(
            jax.shard_map(
                partial(_outputs, job, seed),
                mesh=devices.mesh,
                in_specs=(PartitionSpec(), PartitionSpec(AXIS)),
                out_specs=PartitionSpec(AXIS),
                check_vma=False,
            )
        )
        for seed in {VALIDATION_SEED, job.spec.seed}
    }
    # Arrays are split as jit has them, whatever the run's mode is.
    split = dataclasses.replace(devices, mode="jit").split

    def compute(table: str, rows: range) -> Mapping[str, np.ndarray]:
        held_out = table == VALIDATION
        data, seed = (job.validation, VALIDATION_SEED) if held_out else (job.train, job.spec.seed)
        epoch = 0 if held_out else epoch_of(table)
        parts = [
            jax.device_get(compiled[seed](job.constants.targets, split(batch)))
            for batch in _batches(job, data, epoch, rows)
        ]
        return {
            name: np.concatenate([part[name] for part in parts])[: len(rows)] for name in parts[0]
        }

    return compute


def _batches(job: Job, data: Split, epoch: int, rows: range) -> Iterator[dict[str, np.ndarray]]:
    """The rows in batches of one size; the last is filled up with its last row."""
    for start in range(rows.start, rows.stop, job.rows_at_once):
        numbers = np.minimum(np.arange(start, start + job.rows_at_once), rows.stop - 1)
        yield {
            **data.gather(numbers),
            "epoch": np.full(len(numbers), epoch, np.int32),
            "row": numbers.astype(np.int32),
        }


def _outputs(job: Job, seed: int, params: Any, batch: Batch) -> dict[str, Array]:
    """The columns of a device's rows."""
    spec, content = job.spec, job.content
    assert spec.masking is not None
    masked = mask_batch(spec.masking, seed, batch)
    request = Request(
        hidden_states=frozenset(content.layers),
        queries_keys_values=frozenset(content.projected),
    )
    outputs = spec.targets(params, masked, request)
    first: Any = getattr(outputs, "members", (outputs,))[0]
    dtype = jnp.dtype(job.dtype)
    found = {
        f"{HIDDEN}_{layer}": first.intermediates.hidden_states[layer].astype(dtype)
        for layer in content.layers
    }
    for name in PROJECTED:
        by_layer = getattr(first.intermediates, name)
        found |= {
            projected_column(name, layer): _flat(by_layer[layer]).astype(dtype)
            for layer in content.projected
        }
    if not content.top_k:
        return found
    positions = None
    if content.masked:
        most = spec.masking.max_masked(masked["tokens"].shape[-1])
        positions = masked_positions(masked["labels"], most)
    return found | _distributions(job, vocabulary_teacher(outputs, positions))


def _distributions(job: Job, teacher: VocabularyTeacher) -> dict[str, Array]:
    """The likeliest tokens, chunk by chunk of the vocabulary's logits."""
    loss, columns = job.spec.loss, teacher.by_token()
    leading = jax.tree.leaves(columns)[0].shape[:2]
    tokens = math.prod(leading)
    chunk = even_chunk(tokens, loss.chunk)

    def split(array: Array) -> Array:
        flat = array.reshape(tokens, *array.shape[2:])
        padding = ((0, -tokens % chunk),) + ((0, 0),) * (flat.ndim - 1)
        return jnp.pad(flat, padding).reshape(-1, chunk, *flat.shape[1:])

    def of_chunk(part: Any) -> dict[str, Array]:
        logits = teacher.with_tokens(part).logits(_project, loss.temperature)
        log_sum = jax.nn.logsumexp(logits, axis=-1)
        top = top_tokens(jax.nn.log_softmax(logits / loss.temperature), job.content.top_k)
        shares = jnp.take_along_axis(logits, top.ids, axis=-1) - log_sum[:, None]
        rest = jnp.zeros(log_sum.shape) if top.rest is None else top.rest
        return {IDS: top.ids, SHARES: jnp.maximum(shares, LOWEST), SUM: log_sum, REST: rest}

    found = jax.lax.map(of_chunk, jax.tree.map(split, columns))
    dtypes = {column.name: column.dtype for column in columns_of(job)}
    return {
        name: array.reshape(-1, *array.shape[2:])[:tokens]
        .reshape(*leading, *array.shape[2:])
        .astype(jnp.dtype(dtypes[name]))
        for name, array in found.items()
    }


def _flat(by_head: Array) -> Array:
    return by_head.reshape(*by_head.shape[:2], -1)


def _project(side: Decoder) -> Array:
    table = side.table.T.astype(side.hidden.dtype)
    return jnp.matmul(side.hidden, table, preferred_element_type=jnp.float32) + side.bias
