"""A task with its data: what is trained on, what is scored, and what is submitted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from distil_jax.evaluation.encoding import Encoded
from distil_jax.evaluation.scores import Metrics
from distil_jax.evaluation.tasks import Kind

Outputs = list[np.ndarray]
Prediction = dict[str, Any]


@dataclass(frozen=True)
class TrainingSet:
    """Sequences with what they are to yield.

    Attributes:
      targets: by name, one entry a sequence: `labels`, or `start` and `end`.
    """

    encoded: Encoded
    targets: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class HeldOut:
    """A split to predict.

    Attributes:
      count: examples (or questions) in it.
      predictions: records of id, label and scores out of the model's outputs.
      right: the labels or answers themselves; None where the split has none.
      metrics: of the records against those; None where the split has no labels.
      submission: name and text of the file that the benchmark takes.
    """

    name: str
    encoded: Encoded
    count: int
    predictions: Callable[[Outputs], list[Prediction]]
    right: Any
    metrics: Callable[[list[Prediction]], Metrics] | None
    submission: Callable[[list[Prediction]], tuple[str, str]] | None = None


@dataclass(frozen=True)
class Problem:
    """A task, read and encoded for one tokenizer.

    Attributes:
      labels: class names; one name for a regression, none for spans.
      scale: mean and standard deviation that a regression's targets are divided by.
      training: None where there is no training split.
      held_out: splits that are scored, the main one first.
      tests: further splits that are predicted at the end.
      counts: examples, questions, windows, and what was cut.
    """

    kind: Kind
    labels: tuple[str, ...]
    scale: tuple[float, float]
    length: int
    training: TrainingSet | None
    held_out: tuple[HeldOut, ...]
    tests: tuple[HeldOut, ...]
    counts: Mapping[str, int]

    @property
    def outputs(self) -> int:
        """Outputs of the head: classes, 1 for a regression, 0 for spans."""
        return len(self.labels)
