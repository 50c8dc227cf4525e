"""A folder of targets as a run reads it: what it must have been made with, and its arrays."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from distil_jax.configuration.difference import difference
from distil_jax.configuration.schema import Config
from distil_jax.data.loader import Batch
from distil_jax.data.store import Split
from distil_jax.errors import UserError
from distil_jax.models import EncoderConfig
from distil_jax.models.weights_digest import weights_digest
from distil_jax.objectives import Objective, active
from distil_jax.pretrained import Pretrained
from distil_jax.target_store import Store, StoredTable
from distil_jax.tokenizer import fingerprint
from distil_jax.training.stored_source import VALIDATION, epoch_table, known_tokens, open_source
from distil_jax.training.student import check_pair
from distil_jax.training.targets import StoredTargets, shape_for

NAMES = {
    "rows": "the rows differ",
    "tokenizer": "the tokenizer differs",
    "teachers": "the teacher's weights differ",
    "masks": "other masks",
}


@dataclass(frozen=True)
class Stored:
    """An open folder of targets.

    Attributes:
      source: what the step asks.
      known: which of the student's tokens the teacher has.
    """

    store: Store
    source: StoredTargets
    known: np.ndarray

    @property
    def folder(self) -> str:
        return str(self.store.folder)

    @property
    def settings(self) -> Mapping[str, Any]:
        return self.store.manifest.settings

    @property
    def notes(self) -> Mapping[str, Any]:
        """The teacher's figures on the validation rows, and its size."""
        return self.store.manifest.notes

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """What the source needs besides the batch."""
        return {} if self.source.whole else {"known": self.known}

    def training(self, epochs: np.ndarray, rows: np.ndarray) -> Batch:
        """The targets of some training rows, each masked as in its epoch."""
        parts = [(each, np.flatnonzero(epochs == each)) for each in np.unique(epochs)]
        gathered = [
            (places, self._table(epoch_table(int(epoch))).gather(rows[places], self.source.columns))
            for epoch, places in parts
        ]
        found: Batch = {}
        for places, arrays in gathered:
            for name, array in arrays.items():
                whole = found.setdefault(name, np.empty((len(rows), *array.shape[1:]), array.dtype))
                whole[places] = array
        return found

    def validation(self, _: np.ndarray, rows: np.ndarray) -> Batch:
        """The targets of some validation rows."""
        return self._table(VALIDATION).gather(rows, self.source.columns)

    def adapted(self, config: Config) -> Config:
        """The config that compares as many tokens as are stored, where it says no number."""
        options = {name: dict(values) for name, values in config.loss.options.items()}
        wanted = options["soft_target"]
        if not wanted["top_k"] and 0 < self.source.top_k < self.source.config.vocabulary:
            wanted["top_k"] = self.source.top_k
        return dataclasses.replace(config, loss=dataclasses.replace(config.loss, options=options))

    def for_student(self, student: EncoderConfig) -> "Stored":
        """The same for this student: which layers are compared depends on its depth."""
        return dataclasses.replace(self, source=dataclasses.replace(self.source, student=student))

    def fitting(self, config: Config) -> "Stored":
        """Without distributions that are no use here: no objective asks, so no check refused them.

        Validation, which would compare with whatever there is, then leaves them out.
        """
        if not self._unfit(config):
            return self
        return dataclasses.replace(self, source=dataclasses.replace(self.source, top_k=0))

    def check(self, config: Config) -> None:
        """Refuse a config that these targets cannot serve; raises `UserError`."""
        objectives = active(config.loss)
        for one in objectives:
            if one.needs_teacher and shape_for(self.source, one) is None:
                raise self._refused(_lacking(self.source, one))
        of_logits = any(one.vocabulary and one.needs_teacher for one in objectives)
        if of_logits and (why := self._unfit(config)):
            raise self._refused(why)

    def _unfit(self, config: Config) -> str:
        """Why a config cannot compare with the distributions; empty where it can."""
        loss, held = config.loss, self.source.top_k
        vocabulary = self.source.config.vocabulary
        if self.source.masked and loss.positions == "all":
            return "they are at masked positions, config.loss.positions=all needs all"
        if held < vocabulary and loss.uses("logit_mse"):
            return "config.loss.logit_mse needs every token's logit"
        top_k = min(self.adapted(config).loss.options["soft_target"]["top_k"], vocabulary)
        if held < top_k:
            return (
                f"they hold {held} tokens of a distribution, "
                f"config.loss.options.soft_target.top_k={top_k}"
            )
        fixed = held < vocabulary or len(self.settings["teachers"]) > 1
        scheduled = loss.schedule("temperature")
        if fixed and (scheduled or loss.temperature != self.settings["temperature"]):
            return (
                f"they are for a temperature of {self.settings['temperature']}, the run's is "
                f"{scheduled or loss.temperature}"
            )
        return ""

    def check_content(self, wanted: Mapping[str, Any]) -> None:
        """Refuse other rows, tokens, masks or teachers; raises `UserError` that names them."""
        given = {name: self.settings[name] for name in wanted}
        lines = difference(json.loads(json.dumps(given)), json.loads(json.dumps(dict(wanted))))
        if lines:
            raise self._refused("; ".join(dict.fromkeys(map(_named, lines))))

    def check_epochs(self, last: int) -> None:
        """Refuse a run that masks its rows in more epochs than are stored."""
        stored = self.settings["epochs"]
        if last >= len(stored):
            raise self._refused(
                f"the run masks its rows in epochs 0 to {last}, they hold {len(stored)}: store "
                f"--epochs={last + 1}, or let masks come again with "
                f"config.masking.epochs={len(stored)}"
            )

    def _refused(self, why: str) -> UserError:
        return UserError(
            f"config.targets={self.folder} were made for another run: {why}; make them with "
            "distil_jax.cache and this config, or change what differs"
        )

    def _table(self, name: str) -> StoredTable:
        return self.store.tables[name]


def open_stored(folder: str) -> Stored:
    """Open a folder of targets; raises `UserError` for one that is not, or is damaged."""
    store, source = open_source(folder)
    return Stored(store, source, known_tokens(store, source))


def planned(config: Config, student: EncoderConfig) -> Config:
    """The config as its run adapts it to config.targets; raises `UserError` as the run does."""
    if not config.targets:
        return config
    stored = open_stored(config.targets).for_student(student)
    stored.check(config)
    return stored.adapted(config)


def check_stored(
    config: Config,
    stored: Stored,
    teacher: Pretrained | None,
    tokenizer: Any,
    student: EncoderConfig,
) -> None:
    """Refuse targets of another teacher, tokenizer, or kind of masks, before rows are looked at."""
    stored.check(config)
    wanted: dict[str, Any] = content_settings(config, fingerprint(tokenizer))
    if teacher is not None:
        others = stored.settings["teachers"][1:]
        weights = [weight for _, weight in config.every_teacher]
        digests = [weights_digest(teacher.params), *(each["digest"] for each in others)]
        if len(digests) != len(weights):
            digests = digests[: len(weights)] + [""] * (len(weights) - len(digests))
        wanted["teachers"] = teacher_settings(digests, weights)
    stored.check_content(wanted)
    check_pair(config, stored.source.config, student, f"in config.targets={config.targets}")


def epoch_of(table: str) -> int:
    """The reverse of `epoch_table`."""
    return int(table.rpartition("-")[2])


def content_settings(
    config: Config, tokenizer: str, train: Split | None = None, validation: Split | None = None
) -> dict[str, Any]:
    """What targets belong to besides the teacher: tokens, masks, and rows where they are known."""
    masking = config.masking
    masks = {
        "seed": config.seed,
        "percent": masking.percent,
        "mask_percent": masking.mask_percent,
        "random_percent": masking.random_percent,
        "frequency_power": masking.frequency_power,
    }
    rows = {}
    if train is not None and validation is not None:
        rows = {"rows": {"train": train.digest, "validation": validation.digest}}
    return {"tokenizer": tokenizer, "masks": masks, **rows}


def teacher_settings(digests: Sequence[str], weights: Sequence[float]) -> list[dict[str, Any]]:
    """What is known of the teachers."""
    pairs = zip(digests, weights, strict=True)
    return [{"digest": digest, "weight": weight} for digest, weight in pairs]


def _lacking(source: StoredTargets, objective: Objective) -> str:
    """What an objective needs that is not stored, beside what is."""
    needs = f"config.loss.{objective.name} needs"
    if objective.vocabulary is not None:
        return f"they hold no distributions, {needs} them"
    stored = {"hidden_states": source.layers, "queries_keys_values": source.projected}
    return ", ".join(
        f"they hold {name.replace('_', ' ')} of {_layers(stored.get(name, ()))}, {needs} those of "
        f"{_layers(layers)}"
        for name, layers in source.lacking(objective).items()
        if layers
    )


def _layers(numbers: Sequence[int]) -> str:
    """Layers in words."""
    listed = ", ".join(map(str, numbers))
    return f"layer{'s' * (len(numbers) > 1)} {listed}" if numbers else "no layer"


def _named(line: str) -> str:
    """What differs, in words; of digests the name alone."""
    name = line.partition(" ")[0].partition(".")[0]
    if name == "masks":
        return f"{NAMES[name]}: config.{_key(line.removeprefix('masks.'))}"
    return NAMES[name]


def _key(line: str) -> str:
    return line if line.startswith("seed") else f"masking.{line}"
