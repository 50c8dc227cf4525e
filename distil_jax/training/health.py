"""Whether a run goes well: what to expect of its figures, next to what they are."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from distil_jax.configuration.objective_table import language_loss, titles
from distil_jax.data.masking import Masking
from distil_jax.data.next_tokens import NextTokens

SHORTEST_WINDOW = 5
"""Logged lines whose mean is compared; long runs have 20 windows."""
STANDARD_ERRORS = 4.0
RISE = 1.05
FAR_ABOVE_CLIP = 10.0


@dataclass(frozen=True)
class Concern:
    """A warning, and the step at which it was given; 0 before the first."""

    step: int
    message: str


@dataclass(frozen=True)
class Expectation:
    """What is known before the first step. Losses in nats, on held-out text.

    Attributes:
      floors: the lowest value of each term that can be hoped for: 0 where the student equals its
        teacher, and the teacher's own masked-LM loss (a student trained for long may go below).
      initial: the figures of the student right after initialisation.
      teacher: the figures of the teacher; empty without one.
      token_frequency_loss: the masked-LM loss of knowing nothing but how frequent each token is;
        None where no tokens are masked.
      steady: the terms that should fall: with a weight, and nothing of theirs scheduled.
      clip: the bound on the gradient's norm; 0: none.
      learning_rate_key, clip_key: what the user sets, for advice.
    """

    floors: Mapping[str, float]
    initial: Mapping[str, float]
    teacher: Mapping[str, float]
    token_frequency_loss: float | None
    steady: tuple[str, ...]
    clip: float
    learning_rate_key: str = "config.optimizer.learning_rate"
    clip_key: str = "config.optimizer.clip"

    def figures(self) -> dict[str, float]:
        """All of it under names of its own, for health.json."""
        return {
            **{f"{name}_floor": value for name, value in self.floors.items()},
            **{f"teacher_{name}": value for name, value in self.teacher.items()},
            **{f"initial_{name}": value for name, value in self.initial.items()},
            **(
                {}
                if self.token_frequency_loss is None
                else {"token_frequency_loss": self.token_frequency_loss}
            ),
        }


def token_frequency_loss(masking: Masking | NextTokens, counts: np.ndarray) -> float:
    """Cross-entropy in nats of the labelled tokens, predicted by their frequency alone."""
    shares = np.array(counts[: getattr(masking, "vocabulary", None)], np.float64)
    shares[[token for token in masking.special if token < len(shares)]] = 0.0
    if masking.weights is not None:
        shares *= masking.weights[: len(shares)]
    shares = shares[shares > 0] / max(shares.sum(), 1.0e-300)
    return float(-(shares * np.log(shares)).sum())


class Health:
    """Looks at every logged line, in order; the same lines give the same warnings."""

    def __init__(self, expected: Expectation, *, logged_lines: int) -> None:
        self.expected = expected
        self.concerns: list[Concern] = []
        self._given: set[str] = set()
        self._seen: dict[str, float] = {}
        size = max(SHORTEST_WINDOW, logged_lines // 20)
        self._trends = {name: _Trend(size) for name in expected.steady}
        self._norms = _Window(size)

    def begin(self) -> list[Concern]:
        """Warnings that need no step."""
        teacher, bound = self.expected.teacher, self.expected.token_frequency_loss
        loss = teacher.get(language_loss(teacher))
        if loss is None or bound is None or loss <= bound:
            return []
        return self._tell(
            "teacher",
            0,
            f"the teacher's held-out {language_loss(teacher).replace('_lm', '-LM')} loss is "
            f"{loss:.2f}, worse than knowing only how frequent each token is ({bound:.2f}): is "
            "config.tokenizer the one the teacher was trained with, and the text in a language it "
            "knows?",
        )

    def see(self, line: Mapping[str, Any]) -> list[Concern]:
        """Take in a line of metrics.jsonl; returns the warnings it gives rise to."""
        step = int(line["step"])
        self._seen |= {name: value for name, value in line.items() if name != "step"}
        concerns = []
        for name, trend in self._trends.items():
            if name in line and trend.rises(float(line[name])):
                concerns += self._tell(
                    f"rising {name}",
                    step,
                    f"{_words(name)} has been rising: {trend.last:.3f} on average lately after "
                    f"{trend.lowest:.3f}; lower {self.expected.learning_rate_key}, or go back "
                    "to a checkpoint from before",
                )
        return concerns + self._gradient(step, line) + self._held_out(step, line)

    def report(self) -> dict[str, Any]:
        """What health.json holds."""
        return {
            "expected": self.expected.figures(),
            "seen": self._seen,
            "warnings": [asdict(concern) for concern in self.concerns],
        }

    def _gradient(self, step: int, line: Mapping[str, Any]) -> list[Concern]:
        """A norm that is always far above the bound: clipping sets the length of every update."""
        clip, norms = self.expected.clip, self._norms
        if not (clip and "gradient_norm" in line and norms.add(float(line["gradient_norm"]))):
            return []
        if norms.lowest <= FAR_ABOVE_CLIP * clip:
            return []
        return self._tell(
            "gradient",
            step,
            f"the gradient's norm was never below {norms.lowest:.0f} lately, far above "
            f"{self.expected.clip_key}={clip:g}; lower {self.expected.learning_rate_key}",
        )

    def _held_out(self, step: int, line: Mapping[str, Any]) -> list[Concern]:
        concerns = []
        initial = self.expected.initial
        for name in self.expected.steady:
            value = line.get(f"validation_{name}")
            if value is not None and value > RISE * initial[name]:
                concerns += self._tell(
                    f"above {name}",
                    step,
                    f"held-out {_words(name)} is {value:.3f}, above {initial[name]:.3f} right "
                    f"after initialisation; lower {self.expected.learning_rate_key}",
                )
        for name in ("agreement", "accuracy"):
            concerns += self._share(step, name, line)
        return concerns

    def _share(self, step: int, name: str, line: Mapping[str, Any]) -> list[Concern]:
        first, now = self.expected.initial.get(name), line.get(f"validation_{name}")
        predictions = line.get("validation_predictions", 0)
        if first is None or now is None or not predictions:
            return []
        error = math.sqrt(max(first * (1 - first), 0.0) / predictions)
        if now >= first - STANDARD_ERRORS * error:
            return []
        what = "agreement with the teacher" if name == "agreement" else "accuracy"
        return self._tell(
            f"below {name}",
            step,
            f"held-out {what} is {now:.1%}, below the {first:.1%} right after initialisation; "
            f"lower {self.expected.learning_rate_key}",
        )

    def _tell(self, kind: str, step: int, message: str) -> list[Concern]:
        """Each kind of warning is given once."""
        if kind in self._given:
            return []
        self._given.add(kind)
        self.concerns.append(Concern(step, message))
        return self.concerns[-1:]


def _words(name: str) -> str:
    """What an objective is called; a fine-tuning's own terms keep their names."""
    return titles().get(name, name.replace("_", " "))


class _Window:
    """Values gathered until there are `size` of them."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: list[float] = []
        self.mean = self.squared_error = self.lowest = 0.0

    def add(self, value: float) -> bool:
        """Whether this value has filled the window; its figures then stand until the next."""
        self._values.append(value)
        if len(self._values) < self._size:
            return False
        self.mean, self.lowest = float(np.mean(self._values)), min(self._values)
        self.squared_error = float(np.var(self._values, ddof=1)) / self._size
        self._values = []
        return True


class _Trend:
    """Whether two windows in a row lie above an earlier one, by more than chance."""

    def __init__(self, size: int) -> None:
        self._window = _Window(size)
        self._best: tuple[float, float] | None = None
        self._above = 0
        self.last = self.lowest = 0.0

    def rises(self, value: float) -> bool:
        if not self._window.add(value):
            return False
        mean, error = self._window.mean, self._window.squared_error
        if self._best is None or mean < self._best[0]:
            self._best = (mean, error)
        best, best_error = self._best
        chance = STANDARD_ERRORS * math.sqrt(error + best_error)
        self._above = self._above + 1 if mean > RISE * best and mean > best + chance else 0
        self.last, self.lowest = mean, best
        return self._above >= 2
