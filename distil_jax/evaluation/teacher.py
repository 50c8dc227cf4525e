"""A fine-tuned teacher's outputs for the training set: computed once, read by every seed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from distil_jax.errors import UserError
from distil_jax.evaluation.batched_forward import BatchedForward
from distil_jax.evaluation.stored_outputs import outputs_by_text
from distil_jax.models.weights_digest import weights_digest
from distil_jax.notes import note
from distil_jax.pretrained import Pretrained, load
from distil_jax.pretrained.labels import unnamed
from distil_jax.pretrained.model import check_vocabulary
from distil_jax.storage import atomic
from distil_jax.target_store import Text
from distil_jax.tasks.encoding import Encoded
from distil_jax.tasks.kind import ExampleKind, Labels, Outputs, Relabel, TaskData, TrainingSet
from distil_jax.tasks.network import Network
from distil_jax.tokenizer import fingerprint
from distil_jax.training.parallel import Devices

FILE = "teacher.npz"


@dataclass(frozen=True)
class FineTunedTeacher:
    """A teacher with the training set in its own tokens.

    Attributes:
      order: for each of the student's outputs, the number of the teacher's.
      scale: as in `TaskData`.
      align: moves its outputs to the student's tokens and labels, where these are others.
      shared: where its outputs are kept by text for other evaluations, too.
    """

    kind: ExampleKind
    model: Pretrained
    encoded: Encoded
    order: tuple[int, ...]
    scale: tuple[float, float]
    devices: Devices
    window: int
    align: Callable[[Outputs], Outputs] | None = None
    shared: "SharedOutputs | None" = None

    def outputs(self, folder: Path) -> Outputs:
        """An array for each training sequence, [labels] or [tokens, labels]; kept in `folder`."""
        outputs = self._own_outputs(folder)
        return outputs if self.align is None else self.align(outputs)

    def _own_outputs(self, folder: Path) -> Outputs:
        file = folder / FILE
        if file.is_file():
            outputs = _read(file, len(self.encoded))
            if outputs is not None:
                return outputs
        if self.shared is None:
            outputs = self._moved(self._compute(self.encoded))
        else:
            outputs = self._moved(self._kept(self.shared))
        _write(file, outputs)
        return outputs

    def _compute(self, encoded: Encoded) -> Outputs:
        """As the teacher's own head gives them."""
        network = Network(self.kind, self.model.config, len(self.order), self.window)
        forward = BatchedForward(network, self.devices, self.model.config.pad_token)
        return forward(self.model.params)(encoded)

    def _kept(self, shared: "SharedOutputs") -> Outputs:
        def compute(numbers: Sequence[int]) -> np.ndarray:
            return np.stack(self._compute(self.encoded.part(numbers)))

        made_with = {
            "teacher": weights_digest(self.model.params),
            "tokenizer": fingerprint(self.model.tokenizer),  # type: ignore[arg-type]
            "length": shared.length,
        }
        return outputs_by_text(shared.folder, shared.texts, len(self.order), made_with, compute)

    def _moved(self, outputs: Outputs) -> Outputs:
        """In the order and the units of the student's labels."""
        mean, deviation = self.scale
        return [(np.take(row, self.order, axis=-1) - mean) / deviation for row in outputs]


@dataclass(frozen=True)
class SharedOutputs:
    """A folder of outputs by text, the text of each sequence, and their most tokens."""

    folder: Path
    texts: tuple[Text, ...]
    length: int


def mention_order(folder: str, model: Labels, wanted: Labels, *, proven: bool) -> None:
    """Say which class LABEL_0, LABEL_1, ... are taken for, or refuse to guess.

    Numbers prove an order, and `proven` is that of a task whose classes are numbered for all.
    """
    if len(model) < 2 or not unnamed(model) or unnamed(wanted) or all(map(str.isdecimal, wanted)):
        return
    if not proven:
        raise UserError(
            f"{folder} names its classes {', '.join(model)}, the data {', '.join(wanted)}: nothing "
            "says which is which; name them in id2label of its config.json"
        )
    note(f"{folder}: {', '.join(model)} are taken for {', '.join(wanted)}, in this order")


def open_teacher(
    folder: str,
    kind: ExampleKind,
    data: TaskData,
    student: Pretrained,
    devices: Devices,
    *,
    named: bool = True,
    targets: str = "",
) -> FineTunedTeacher:
    """Load a fine-tuned folder; raises `UserError` for other labels, or other tokens of spans.

    With `targets` its outputs are kept there by text.
    """
    model = load(folder, require_head=kind.head)
    assert model.tokenizer is not None
    assert student.tokenizer is not None
    training = data.training
    if training is None:
        raise UserError("--teacher needs a training split and --epochs=1 or more")
    check_vocabulary(model.tokenizer, model.config, folder)
    kind.check_model(model, folder)
    length = min(data.length, model.config.positions)
    same = fingerprint(model.tokenizer) == fingerprint(student.tokenizer) and length == data.length
    order = kind.class_order(model.labels, data.labels)
    relabel = kind.relabel(model.labels, data.labels) if order is None else None
    if order is None and relabel is None:
        raise UserError(
            f"teacher {folder} has the labels {', '.join(model.labels)}, the data "
            f"{', '.join(data.labels)}; fine-tune it on this data first (--model={folder}), or use "
            "a teacher fine-tuned on the same labels"
        )
    mention_order(folder, model.labels, data.labels, proven=named)
    encoded, align = _in_its_tokens(folder, model.tokenizer, training, length, relabel, same=same)
    order = order or tuple(range(len(model.labels)))
    shared = SharedOutputs(Path(targets), _texts(training, targets), length) if targets else None
    return FineTunedTeacher(
        kind, model, encoded, order, data.scale, devices, data.length, align, shared
    )


def _in_its_tokens(
    folder: str,
    tokenizer: Any,
    training: TrainingSet,
    length: int,
    relabel: Relabel | None,
    *,
    same: bool,
) -> tuple[Encoded, Callable[[Outputs], Outputs] | None]:
    """The training set in the teacher's tokens, and what moves its outputs to the student's."""
    if same and relabel is None:
        return training.encoded, None
    if training.aligned_for is not None:
        encoded, align = training.aligned_for(tokenizer, length, relabel)
        return training.encoded if same else encoded, align
    if training.encode_for is None:
        raise UserError(
            f"teacher {folder} and the student read other tokens, and spans are distilled token by "
            "token; use a teacher with the student's tokenizer and at least its length"
        )
    return training.encode_for(tokenizer, length), None


def _texts(training: TrainingSet, targets: str) -> tuple[Text, ...]:
    if training.texts is None:
        raise UserError(
            f"--targets={targets} keeps a teacher's outputs by text, and this task's are by token "
            "or by candidate; leave it out"
        )
    return training.texts


def _write(file: Path, outputs: Outputs) -> None:
    sizes = np.asarray([len(row) for row in outputs])
    with atomic.draft(file) as temporary:
        np.savez(temporary, sizes=sizes, values=np.concatenate(outputs))


def _read(file: Path, count: int) -> Outputs | None:
    """The file's outputs, or None where it is damaged or another set's."""
    try:
        with np.load(file) as arrays:
            sizes, values = arrays["sizes"], arrays["values"]
    except Exception:  # zipfile, zlib and NumPy each have errors of their own for a damaged file
        return None
    if len(sizes) != count or sizes.sum() != len(values):
        return None
    return np.split(values, np.cumsum(sizes)[:-1])
