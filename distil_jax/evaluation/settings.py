"""What the user asks of an evaluation."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

# Neither the numbers of a finished seed nor what they mean depend on these.
FREE = ("seeds", "output", "models", "targets")
NEWER: dict[str, Any] = {
    "optimizer": "adamw",
    "decay": 0.2,
    "objectives": {},
    "options": {},
    "unlabelled": "",
    "task_weight": 1.0,
    "quantize_from": 1.0,
    "dropout": None,
    "candidate_labels": {},
    "hypothesis_template": "",
}
"""What evaluations of earlier versions did without saying so: still not said."""


@dataclass(frozen=True)
class Settings:
    """One evaluation; the defaults are the command line's.

    Attributes:
      data: folder or hub id; empty: the task's own on the hub.
      given: files by split, in place of the folder's.
      columns: of the text or the two texts; empty: the task's, or guessed.
      seeds: how many; they are numbered from 0.
      epochs: None: the task's; 0: the model is scored as it is.
      learning_rates: more than one: the first seed tries them all, and the best serves the others.
      micro: sequences that a device computes at a time; 0: its whole share of the batch.
      length: None: the task's, as far as the model goes.
      optimizer: a name in `optimizer_table.OPTIMIZERS`.
      warmup: share of all steps.
      decay: share of all steps, the last ones, of the schedule wsd.
      patience: epochs without a better score after which a seed ends, keeping its best; 0: off.
      alpha: weight of the teacher's outputs, the labels having the rest.
      devices: 0: all.
      objectives: weights of further objectives, which compare hidden states with the teacher's.
      options: of those objectives, by their names.
      unlabelled: a file of texts that only the teacher judges.
      task_weight: of labels and teacher's outputs together; 0: the objectives alone.
      quantize_from: share of all steps after which the model learns as in int8; 1: never.
      dropout: rate of hidden states and of attention; None: as the model's folder has them.
      targets: a folder that keeps the teacher's outputs by text; empty: each output folder does.
      candidate_labels: names of the classes that a zero-shot teacher judges, with their words in a
        hypothesis; empty words: the name.
      hypothesis_template: with {} for those words; the teacher is a zero-shot one where either is
        given.
      models: whether every seed's model folder stays, or the best seed's alone.
    """

    model: str
    task: str
    data: str
    output: Path
    teacher: str = ""
    given: dict[str, Path] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    label: str = ""
    seeds: int = 5
    epochs: int | None = None
    learning_rates: tuple[float, ...] = (5e-5,)
    optimizer: str = "adamw"
    schedule: str = "linear"
    warmup: float = 0.1
    decay: float = 0.2
    weight_decay: float = 0.0
    clip: float = 1.0
    batch: int = 32
    micro: int = 0
    length: int | None = None
    stride: int = 128
    patience: int = 0
    alpha: float = 0.5
    temperature: float = 2.0
    dtype: str = "float32"
    mode: str = "jit"
    devices: int = 0
    models: str = "all"
    objectives: dict[str, float] = field(default_factory=dict)
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    unlabelled: str = ""
    task_weight: float = 1.0
    quantize_from: float = 1.0
    dropout: float | None = None
    targets: str = ""
    candidate_labels: dict[str, str] = field(default_factory=dict)
    hypothesis_template: str = ""

    @property
    def zero_shot(self) -> bool:
        """Whether the teacher judges hypotheses."""
        return bool(self.candidate_labels or self.hypothesis_template)

    def as_json(self) -> dict[str, Any]:
        """The settings as JSON's types, without those that a later call may change."""
        content = {name: value for name, value in asdict(self).items() if name not in FREE}
        for name, default in NEWER.items():
            if content[name] == default:
                del content[name]
        content["given"] = {split: str(path) for split, path in self.given.items()}
        return content | {
            "columns": list(self.columns),
            "learning_rates": list(self.learning_rates),
        }
