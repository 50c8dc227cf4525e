"""A fine-tuned teacher's outputs for the training set: computed once, read by every seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from distil_jax.errors import UserError
from distil_jax.evaluation.encoding import Encoded, encode
from distil_jax.evaluation.network import Network
from distil_jax.evaluation.predictor import Packed
from distil_jax.evaluation.problem import Outputs, Problem
from distil_jax.evaluation.text_problem import Tables, check_one_label, label_order
from distil_jax.pretrained import Head, Pretrained, load
from distil_jax.pretrained.model import check_vocabulary
from distil_jax.storage import atomic
from distil_jax.tokenizer import fingerprint
from distil_jax.training.parallel import Devices

FILE = "teacher.npz"


@dataclass(frozen=True)
class Teacher:
    """A teacher with the training set in its own tokens.

    Attributes:
      order: for each of the student's classes, the number of the teacher's.
      scale: as in `Problem`.
    """

    model: Pretrained
    encoded: Encoded
    order: tuple[int, ...]
    scale: tuple[float, float]
    devices: Devices
    window: int

    def outputs(self, folder: Path) -> Outputs:
        """An array for each training sequence, [labels] or [tokens, 2]; kept in `folder`."""
        file = folder / FILE
        if file.is_file():
            kept = _read(file, len(self.encoded))
            if kept is not None:
                return kept
        found = self._compute()
        _write(file, found)
        return found

    def _compute(self) -> Outputs:
        network = Network(self.model.config, len(self.order), self.window)
        packed = Packed(network, self.devices, self.model.config.pad_token)
        outputs = packed(self.model.params)(self.encoded)
        if not self.order:
            return outputs
        mean, deviation = self.scale
        return [(row[list(self.order)] - mean) / deviation for row in outputs]


def open_teacher(
    folder: str,
    problem: Problem,
    tables: Tables | None,
    student: Pretrained,
    devices: Devices,
    head: Head,
) -> Teacher:
    """Load a fine-tuned folder; raises `UserError` for other labels, or other tokens of spans."""
    model = load(folder, require_head=head)
    assert model.tokenizer is not None
    assert student.tokenizer is not None
    if problem.training is None:
        raise UserError("--teacher needs a training split and --epochs=1 or more")
    check_vocabulary(model.tokenizer, model.config, folder)
    check_one_label(model, folder)
    same = fingerprint(model.tokenizer) == fingerprint(student.tokenizer)
    if same and model.config.positions >= problem.length:
        encoded = problem.training.encoded
    elif tables is None or tables.training is None:
        raise UserError(
            f"teacher {folder} and the student read other tokens, and spans are distilled token by "
            "token; use a teacher with the student's tokenizer and at least its length"
        )
    else:
        table = tables.training
        length = min(problem.length, model.config.positions)
        encoded = encode(table.first, table.second, model.tokenizer, length=length)
    order = () if head == "span" else _order(folder, model.labels, problem)
    return Teacher(model, encoded, order, problem.scale, devices, problem.length)


def _order(folder: str, labels: Sequence[str], problem: Problem) -> tuple[int, ...]:
    """Where each of the task's classes stands among the teacher's."""
    if problem.kind == "regression" and len(labels) == 1:
        return (0,)
    order = label_order(labels, problem.labels)
    if order is None:
        raise UserError(
            f"teacher {folder} tells apart {', '.join(labels)}, the data "
            f"{', '.join(problem.labels)}; use a teacher fine-tuned on the same labels"
        )
    return order


def _write(file: Path, outputs: Outputs) -> None:
    sizes = np.asarray([len(row) for row in outputs])
    with atomic.draft(file) as temporary:
        np.savez(temporary, sizes=sizes, values=np.concatenate(outputs))


def _read(file: Path, count: int) -> Outputs | None:
    """What was kept, or None where it is damaged or another set's."""
    try:
        with np.load(file) as kept:
            sizes, values = kept["sizes"], kept["values"]
    except Exception:  # zipfile, zlib and NumPy each have errors of their own for a damaged file
        return None
    if len(sizes) != count or sizes.sum() != len(values):
        return None
    return np.split(values, np.cumsum(sizes)[:-1])
