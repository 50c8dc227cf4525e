"""The config of a run as frozen dataclasses; `configs/base.py` declares its keys."""

import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from distil_jax.configuration.declared import declared, nearest, with_current_names
from distil_jax.configuration.earlier import of_today
from distil_jax.configuration.key import checked
from distil_jax.configuration.loss import Loss, loss
from distil_jax.configuration.teachers import weighted_teachers
from distil_jax.configuration.together import check_together
from distil_jax.configuration.tree import flat, nested
from distil_jax.errors import UsageError


@dataclass(frozen=True)
class Architecture:
    layers: int
    hidden_size: int
    heads: int
    mlp_size: int
    positions: int
    token_types: int


@dataclass(frozen=True)
class Student:
    layers: str
    initialize: str
    folder: str
    fold_token_types: bool
    keep_token_types: bool
    vocabulary: str
    copy_head: bool
    freeze: str
    dropout: float
    attention_dropout: float
    quantize_from: float
    hidden_size: int
    heads: int
    mlp_size: int
    architecture: Architecture


@dataclass(frozen=True)
class Data:
    train: str
    validation: str
    document: str
    heldout: float
    column: str
    shortest_tokens: int


@dataclass(frozen=True)
class MaskingConfig:
    percent: int
    mask_percent: int
    random_percent: int
    frequency_power: float
    epochs: int


@dataclass(frozen=True)
class Batch:
    size: int
    length: int
    micro_size: int


@dataclass(frozen=True)
class Optimizer:
    name: str
    learning_rate: float
    schedule: str
    warmup: float
    decay: float
    beta1: float
    beta2: float
    epsilon: float
    weight_decay: float
    clip: float


@dataclass(frozen=True)
class Precision:
    compute: str
    parameters: str
    teacher: str


@dataclass(frozen=True)
class Parallel:
    mode: str
    devices: int
    scan_layers: str
    remat: str
    attention: str


@dataclass(frozen=True)
class Processes:
    coordinator: str
    count: int
    index: int
    join_seconds: int
    lost_seconds: int


@dataclass(frozen=True)
class Profile:
    first: int
    last: int


@dataclass(frozen=True)
class CheckpointConfig:
    every_steps: int
    keep: int
    keep_best: int
    allow_batch_change: bool


@dataclass(frozen=True)
class Eval:
    every_steps: int
    batch_size: int


@dataclass(frozen=True)
class Log:
    every_steps: int
    tensorboard: bool


@dataclass(frozen=True)
class Config:
    seed: int
    total_steps: int
    epochs: float
    teacher: str
    teachers: str
    teacher_of: str
    targets: str
    tokenizer: str
    student: Student
    loss: Loss
    data: Data
    masking: MaskingConfig
    batch: Batch
    optimizer: Optimizer
    precision: Precision
    parallel: Parallel
    processes: Processes
    profile: Profile
    checkpoint: CheckpointConfig
    eval: Eval
    log: Log

    @property
    def every_teacher(self) -> tuple[tuple[str, float], ...]:
        """Folders and weights, which add to 1; empty without a teacher."""
        if self.teachers:
            return weighted_teachers(self.teachers)
        return ((self.teacher, 1.0),) if self.teacher else ()


def from_mapping(values: Mapping[str, Any]) -> Config:
    """A checked `Config`; raises `UsageError` with the key, the value and what is allowed."""
    leaves = with_current_names(flat(values))
    keys = {key.name: key for key in declared()}
    _check_names(leaves, keys)
    values = nested({name: checked(key, leaves[name]) for name, key in keys.items()})
    config: Config = _section(Config, values)
    check_together(config)
    if config.teachers:
        config = dataclasses.replace(config, teacher=weighted_teachers(config.teachers)[0][0])
    return config


def from_saved(values: Mapping[str, Any]) -> Config:
    """The config that a run of this version or an earlier one was saved with.

    Keys that did not exist then have the value that means the same. Objectives that are not
    registered here keep their weights.
    """
    return _section(Config, of_today(values))


def as_dict(config: Config) -> dict[str, Any]:
    """The config as nested dicts of plain values, for checkpoints and reports."""
    return dataclasses.asdict(config) | {"loss": config.loss.as_dict()}


def _check_names(leaves: Mapping[str, Any], keys: Mapping[str, Any]) -> None:
    unknown, missing = leaves.keys() - keys.keys(), keys.keys() - leaves.keys()
    if not (unknown or missing):
        return
    names = ", ".join(f"config.{name}" for name in sorted(unknown or missing))
    near = nearest(min(unknown)) if unknown else None
    hint = f"did you mean config.{near}?" if near else "see configs/base.py"
    raise UsageError(f"{'unknown' if unknown else 'missing'} config key {names}; {hint}")


def _section(kind: Any, values: Mapping[str, Any]) -> Any:
    hints = typing.get_type_hints(kind)
    return kind(**{name: _value(hint, values[name]) for name, hint in hints.items()})


def _value(hint: Any, value: Any) -> Any:
    if hint is Loss:
        return loss(value)
    return _section(hint, value) if dataclasses.is_dataclass(hint) else value
