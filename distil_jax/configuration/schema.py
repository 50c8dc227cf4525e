"""The config of a run as frozen dataclasses; `configs/base.py` is the only place with defaults."""

import dataclasses
import difflib
import math
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from distil_jax.configuration.key import Key
from distil_jax.configuration.loss import Loss
from distil_jax.configuration.objective_table import OBJECTIVES
from distil_jax.configuration.schedule_text import parse
from distil_jax.errors import UsageError

Section = TypeVar("Section")


@dataclass(frozen=True)
class Architecture:
    layers: int
    width: int
    heads: int
    inner_width: int
    positions: int
    token_types: int


@dataclass(frozen=True)
class Student:
    layers: str
    initialize: str
    folder: str
    fold_token_types: bool
    keep_token_types: bool
    copy_head: bool
    freeze: str
    dropout: float
    attention_dropout: float
    architecture: Architecture


@dataclass(frozen=True)
class Data:
    train: str
    validation: str
    document: str
    heldout: float


@dataclass(frozen=True)
class MaskingConfig:
    percent: int
    mask_percent: int
    random_percent: int
    frequency_power: float


@dataclass(frozen=True)
class Batch:
    sequences: int
    length: int
    micro: int


@dataclass(frozen=True)
class Optimizer:
    learning_rate: float
    schedule: str
    warmup: float
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
    rematerialise: str


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
    sequences: int


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


CHOICES: dict[str, tuple[str, ...]] = {
    "student.initialize": ("teacher", "random"),
    "student.freeze": ("none", "positions", "embeddings"),
    "loss.positions": ("all", "masked"),
    "data.document": ("line", "block"),
    "optimizer.schedule": ("linear", "cosine"),
    "precision.compute": ("float32", "bfloat16"),
    "precision.parameters": ("float32", "bfloat16"),
    "precision.teacher": ("float32", "bfloat16"),
    "parallel.mode": ("jit", "pmap"),
    "parallel.scan_layers": ("auto", "on", "off"),
    "parallel.rematerialise": ("none", "attention", "layer"),
}

AT_LEAST: dict[str, float] = {
    "seed": 0,
    "total_steps": 0,
    "epochs": 0,
    "student.architecture.layers": 1,
    "student.architecture.width": 1,
    "student.architecture.heads": 1,
    "student.architecture.inner_width": 1,
    "student.architecture.positions": 3,
    "student.architecture.token_types": 0,
    "student.dropout": 0,
    "student.attention_dropout": 0,
    "loss.chunk": 1,
    "masking.percent": 1,
    "masking.mask_percent": 0,
    "masking.random_percent": 0,
    "masking.frequency_power": 0,
    "batch.sequences": 1,
    "batch.length": 3,
    "batch.micro": 0,
    "optimizer.warmup": 0,
    "optimizer.beta1": 0,
    "optimizer.beta2": 0,
    "optimizer.weight_decay": 0,
    "optimizer.clip": 0,
    "parallel.devices": 0,
    "processes.count": 0,
    "processes.index": -1,
    "processes.join_seconds": 1,
    "processes.lost_seconds": 2,
    "profile.first": 0,
    "profile.last": 0,
    "checkpoint.every_steps": 1,
    "checkpoint.keep": 1,
    "checkpoint.keep_best": 0,
    "eval.every_steps": 1,
    "eval.sequences": 0,
    "log.every_steps": 1,
}

AT_MOST: dict[str, float] = {
    "seed": 2**32 - 1,
    "student.dropout": 0.99,
    "student.attention_dropout": 0.99,
    "masking.percent": 100,
    "masking.mask_percent": 100,
    "masking.random_percent": 100,
    "optimizer.warmup": 1,
    "optimizer.beta1": 0.9999999,
    "optimizer.beta2": 0.9999999,
}

ABOVE: dict[str, float] = {
    "loss.temperature": 0,
    "optimizer.learning_rate": 0,
    "optimizer.epsilon": 0,
}


def from_mapping(values: Mapping[str, Any]) -> Config:
    """A checked `Config`; raises `UsageError` with the key, the value and what is allowed."""
    config = _section(Config, values, "")
    for key, allowed in CHOICES.items():
        if (value := _get(values, key)) not in allowed:
            raise UsageError(f"config.{key}={value!r} is none of {', '.join(allowed)}")
    for key, least in AT_LEAST.items():
        if (value := _get(values, key)) < least:
            raise UsageError(f"config.{key}={value} must be at least {least}")
    for key, most in AT_MOST.items():
        if (value := _get(values, key)) > most:
            raise UsageError(f"config.{key}={value} must be at most {most}")
    for key, bound in ABOVE.items():
        if not (value := _get(values, key)) > bound:
            raise UsageError(f"config.{key}={value} must be above {bound}")
    _check_sums(config)
    return config


def as_dict(config: Config) -> dict[str, Any]:
    """The config as nested dicts of plain values, for checkpoints and reports."""
    return dataclasses.asdict(config) | {"loss": config.loss.as_dict()}


def _get(values: Mapping[str, Any], key: str) -> Any:
    for part in key.split("."):
        values = values[part]
    return values


def _section(kind: type[Section], values: Mapping[str, Any], prefix: str) -> Section:
    hints = typing.get_type_hints(kind)
    _check_names(values, hints, prefix)
    return kind(**{n: _value(hint, values[n], f"{prefix}{n}") for n, hint in hints.items()})


def _check_names(values: Mapping[str, Any], wanted: Iterable[str], prefix: str) -> None:
    unknown, missing = set(values) - set(wanted), set(wanted) - set(values)
    if unknown or missing:
        names = ", ".join(f"config.{prefix}{name}" for name in sorted(unknown or missing))
        near = difflib.get_close_matches(min(unknown), wanted, n=1) if unknown else []
        hint = f"did you mean config.{prefix}{near[0]}?" if near else "see configs/base.py"
        raise UsageError(f"{'unknown' if unknown else 'missing'} config key {names}; {hint}")


def _loss(values: Mapping[str, Any], prefix: str) -> Loss:
    """The section whose keys follow from the table of objectives."""
    options = {name: entry.options for name, entry in OBJECTIVES.items() if entry.options}
    hints: dict[str, Any] = {**dict.fromkeys(OBJECTIVES, float), "temperature": float}
    hints |= {"schedules": dict, "positions": str, "chunk": int}
    hints |= {"options": dict} if options else {}
    _check_names(values, hints, prefix)
    found = {name: _value(hint, values[name], f"{prefix}{name}") for name, hint in hints.items()}
    for name in OBJECTIVES:
        if found[name] < 0:
            raise UsageError(f"config.{prefix}{name}={found[name]} must be at least 0")
    return Loss(
        weights={name: found[name] for name in OBJECTIVES},
        temperature=found["temperature"],
        schedules=_texts(found["schedules"], f"{prefix}schedules."),
        positions=found["positions"],
        chunk=found["chunk"],
        options=_options(found.get("options", {}), options, f"{prefix}options."),
    )


def _texts(values: Mapping[str, Any], prefix: str) -> dict[str, str]:
    names = (*OBJECTIVES, "temperature")
    _check_names(values, names, prefix)
    return {name: _value(str, values[name], f"{prefix}{name}") for name in names}


def _options(
    values: Mapping[str, Any], wanted: Mapping[str, tuple[Key, ...]], prefix: str
) -> dict[str, dict[str, Any]]:
    _check_names(values, wanted, prefix)
    return {
        name: {key.name: _option(key, values[name], f"{prefix}{name}.") for key in keys}
        for name, keys in wanted.items()
    }


def _option(key: Key, values: Mapping[str, Any], prefix: str) -> Any:
    if key.name not in values:
        raise UsageError(f"missing config key config.{prefix}{key.name}")
    return _value(type(key.default), values[key.name], f"{prefix}{key.name}")


def _value(hint: Any, value: Any, key: str) -> Any:
    if hint is Loss:
        return _loss(value, f"{key}.")
    if dataclasses.is_dataclass(hint):
        return _section(typing.cast(type, hint), value, f"{key}.")
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is float and not math.isfinite(value):
        raise UsageError(f"config.{key}={value} must be a finite number")
    if type(value) is not hint:
        raise UsageError(f"config.{key}={value!r} must be of type {hint.__name__}")
    return value


def _check_sums(config: Config) -> None:
    masking, loss = config.masking, config.loss
    if masking.mask_percent + masking.random_percent > 100:
        raise UsageError(
            f"config.masking.mask_percent={masking.mask_percent} and random_percent="
            f"{masking.random_percent} are more than 100 together"
        )
    _check_schedules(loss.schedules)
    _check_profile(config.profile)
    if not loss.active:
        raise UsageError(f"all of config.loss.{', '.join(OBJECTIVES)} are 0: nothing to learn")
    if config.total_steps == 0 and not config.epochs > 0:
        raise UsageError(
            f"config.total_steps=0 and config.epochs={config.epochs}: set one of them above 0"
        )
    needing = [name for name in loss.active if OBJECTIVES[name].needs_teacher]
    if needing and not config.teacher:
        raise UsageError(
            f"config.teacher is empty but config.loss.{' and '.join(needing)} need one; "
            "set them to 0 to pretrain without"
        )


def _check_profile(profile: Profile) -> None:
    if bool(profile.first) != bool(profile.last) or profile.first > profile.last:
        raise UsageError(
            f"config.profile.first={profile.first} and config.profile.last={profile.last}: set "
            "both to steps, the first not after the last, or both to 0"
        )


def _check_schedules(schedules: Mapping[str, str]) -> None:
    for name, text in schedules.items():
        try:
            points = parse(text)
        except UsageError as error:
            raise UsageError(f"config.loss.schedules.{name}: {error}") from None
        if name == "temperature" and any(value <= 0 for _, value in points):
            raise UsageError(f"config.loss.schedules.temperature={text!r}: it must stay above 0")
