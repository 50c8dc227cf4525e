"""What a kind of task is, and a task's data, read and encoded for one tokenizer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from flax import linen as nn
from jaxtyping import Array, DTypeLike, Int

from distil_jax.losses import WeightedSum
from distil_jax.models import EncoderConfig
from distil_jax.models.types import Batch, Params
from distil_jax.pretrained import Head, Pretrained
from distil_jax.tasks.encoding import Encoded
from distil_jax.tasks.files import Record
from distil_jax.tasks.label_losses import used_slots
from distil_jax.tasks.named import NamedTask
from distil_jax.tasks.sources import Source
from distil_jax.tasks.task_scores import Metrics

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Labels = tuple[str, ...]
Outputs = list[np.ndarray]
Prediction = dict[str, Any]
Predictor = Callable[[Encoded], Outputs]
"""All that scoring asks of a model: sequences in, an array for each out, in their order."""
Objective = Callable[..., dict[str, WeightedSum]]
"""loss(outputs, piece, used, temperature=...): `labels` and, where the piece has soft targets,
`soft_target`, as sums over the used slots. See `tasks.network` for outputs and piece."""


def _no_concern(_: Outputs, __: str) -> None:
    return None


Aligned = tuple[Encoded, Callable[[Outputs], Outputs]]
Relabel = Callable[[np.ndarray], np.ndarray]
"""A model's outputs [words, labels] for the words of a text, as outputs for other labels."""


def _no_relabel(_: Labels, __: Labels) -> Relabel | None:
    return None


@dataclass(frozen=True)
class TrainingSet:
    """Sequences with what they are to yield.

    Attributes:
      targets: by name, one entry a sequence: `labels`, or `start` and `end`.
      encode_for: the same examples for another tokenizer and length; None where outputs stand for
        tokens, which another tokenizer cuts otherwise.
      aligned_for: the same for outputs that stand for words: the examples in another tokenizer's
        tokens, and what moves a teacher's outputs, relabelled, to the tokens of this one.
      units: the numbers of sequences that are compared with each other, and so stay in one row;
        None: each is a unit of its own.
      texts: what each sequence says, a text or a pair; None where sequences are parts of texts.
    """

    encoded: Encoded
    targets: Mapping[str, np.ndarray]
    encode_for: "Callable[[PreTrainedTokenizerFast, int], Encoded] | None"
    aligned_for: "Callable[[PreTrainedTokenizerFast, int, Relabel | None], Aligned] | None" = None
    units: tuple[np.ndarray, ...] | None = None
    texts: tuple[str | tuple[str, str], ...] | None = None

    @property
    def unit_lengths(self) -> np.ndarray:
        """Tokens of each unit."""
        lengths = self.encoded.lengths
        if self.units is None:
            return lengths
        return np.asarray([lengths[members].sum() for members in self.units])

    @property
    def largest_unit(self) -> int:
        """Sequences of the largest unit."""
        return 1 if self.units is None else max(map(len, self.units))

    def sequences(self, units: Sequence[int]) -> list[int]:
        """The sequences of these units, in order."""
        if self.units is None:
            return list(units)
        return [int(number) for unit in units for number in self.units[unit]]


@dataclass(frozen=True)
class EvalSplit:
    """A split to predict.

    Attributes:
      count: examples (or questions) in it.
      predictions: records of id, label and scores out of the model's outputs.
      answers: the labels or answers themselves; None where the split has none.
      metrics: of the records against those; None where the split has no labels.
      submission: name and text of the file that the benchmark takes.
      texts: as of a `TrainingSet`.
    """

    name: str
    encoded: Encoded
    count: int
    predictions: Callable[[Outputs], list[Prediction]]
    answers: Any
    metrics: Callable[[list[Prediction]], Metrics] | None
    submission: Callable[[list[Prediction]], tuple[str, str]] | None = None
    texts: tuple[str | tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class TaskData:
    """A task, read and encoded for one tokenizer.

    Attributes:
      labels: class names; one name for a regression, none for spans.
      outputs: of the head, for each sequence or token.
      scale: mean and standard deviation that a regression's targets are divided by.
      training: None where there is no training split.
      validation: splits that are scored, the main one first.
      tests: further splits that are predicted at the end.
      counts: examples, questions, windows, and what was cut.
      threshold: share from which a label counts, which a folder stores; None: there is none.
      calibrated: the same with what the outputs for the main validation split decide, which is how
        a trained model is scored; None: they decide nothing.
    """

    labels: Labels
    outputs: int
    scale: tuple[float, float]
    length: int
    training: TrainingSet | None
    validation: tuple[EvalSplit, ...]
    tests: tuple[EvalSplit, ...]
    counts: Mapping[str, int]
    threshold: float | None = None
    calibrated: "Callable[[Outputs], TaskData] | None" = None


@dataclass(frozen=True)
class DataRequest:
    """Which data is read, and how it is cut.

    Attributes:
      columns: of the text or the two texts; empty: guessed.
      classes: labels that the user names: then a training split may be missing.
      known: labels of the model, which count where neither task nor table names any.
      length: most tokens of a sequence or window.
      stride: tokens that neighbouring windows share.
      training: whether there must be a training split.
      threshold: of the model; None where it stores none.
      head_bias: whether the model's head has a bias, which can hold the mean of a regression.
    """

    source: Source
    columns: tuple[str, ...]
    label: str
    known: Labels
    length: int
    stride: int
    training: bool
    threshold: float | None = None
    classes: Labels = ()
    head_bias: bool = True


@dataclass(frozen=True)
class UserText:
    """A user's file for `predict`, and the model that reads it.

    Attributes:
      name: of the file, for messages.
      columns: as `ExampleKind.columns` returned them.
    """

    name: str
    columns: Sequence[str]
    model: Pretrained
    predict: Predictor
    length: int


@dataclass(frozen=True)
class TaskKind:
    """What a kind's models are.

    Attributes:
      name: its key in `table.KINDS`.
      head: of the model folders, a key of `pretrained`'s tables.
      model: the module of encoder and head from a configuration and the head's number of outputs;
        one sequence a row.
      per_token: outputs are [tokens, outputs] for each sequence; else [outputs].
      export_outputs: names of an exported graph's outputs, each with `export_axes`.
      export_axes: of one of them, from the configuration and the number of labels.
      graph_head: adds the head's nodes to an ONNX graph, an `exporting.graph.Graph`, from the
        configuration, the head's parameters and the name of the hidden states; the last argument
        adds the product of features with the decoder's table: decode(features, name).
    """

    name: str
    head: Head
    model: Callable[[EncoderConfig, int], nn.Module]
    per_token: bool
    export_outputs: tuple[str, ...]
    export_axes: Callable[[EncoderConfig, int], list[str | int]]
    graph_head: Callable[[Any, EncoderConfig, Params, str, Callable[[str, str], str]], None]


@dataclass(frozen=True)
class ExampleKind(TaskKind):
    """A kind with labelled examples, which a model is fine-tuned on.

    Attributes:
      head_module: the head alone, from configuration, outputs and dtype.
      from_pooler: a fresh head starts from BERT's pooler where the folder has one.
      discrete: predictions of two models can be the same, so that agreement is a share.
      outputs: of the head, from the labels.
      data: reads and encodes a task; raises `UserError`.
      objective: what fine-tuning minimises.
      serves: whether a folder's head with these labels and problem type belongs to this kind.
      check_model: raises `UserError` for a folder with other labels than this kind has.
      own_head: a folder's head in the order of the labels, None where it was made for others;
        classes without names count only where the model is scored as it is.
      class_order: where each label stands among the outputs of a teacher or an export, None if it
        has others.
      relabel: what makes outputs for these labels of a teacher's for others, None if nothing does.
      columns: those of a user's table that are read, from its first record; raises `UserError`.
      label: what `predict` writes for some records, the first of which has the given number.
      concern: points out what is wrong with the outputs of the teacher of this name.
      problem_type: as transformers' config.json names it; empty: it names none.
      counted: how many terms an objective of this name averages over, from the batch alone.
    """

    head_module: Callable[[EncoderConfig, int, DTypeLike], nn.Module]
    from_pooler: bool
    discrete: bool
    outputs: Callable[[Labels], int]
    data: "Callable[[NamedTask, DataRequest, PreTrainedTokenizerFast], TaskData]"
    objective: Objective
    serves: Callable[[Head | None, Labels, str], bool]
    check_model: Callable[[Pretrained, str], None]
    own_head: Callable[[Pretrained, Labels, bool], Params | None]
    class_order: Callable[[Labels, Labels], tuple[int, ...] | None]
    columns: Callable[[Record, str, Sequence[str]], Sequence[str]]
    label: Callable[[Sequence[Record], UserText, int], list[Record]]
    counted: Callable[[Batch, str], Int[Array, ""]] = used_slots
    problem_type: str = ""
    concern: Callable[[Outputs, str], None] = _no_concern
    relabel: Callable[[Labels, Labels], Relabel | None] = _no_relabel
