"""Everything an evaluation needs, read and checked before anything is written."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from distil_jax.errors import UserError
from distil_jax.evaluation import span_problem, text_problem
from distil_jax.evaluation.dealing import BatchPlan, choose_shape
from distil_jax.evaluation.encoding import check_length
from distil_jax.evaluation.network import Network
from distil_jax.evaluation.problem import Problem
from distil_jax.evaluation.rows import Shape
from distil_jax.evaluation.settings import Settings
from distil_jax.evaluation.sources import Source
from distil_jax.evaluation.tasks import TASKS, Task
from distil_jax.evaluation.teacher import Teacher, open_teacher
from distil_jax.models.types import Params
from distil_jax.pretrained import Head, Pretrained, load, load_pooler, locate
from distil_jax.pretrained.model import check_vocabulary
from distil_jax.training.parallel import Devices

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

HEADS: dict[str, Head] = {
    "classification": "classification",
    "regression": "classification",
    "span": "span",
}


@dataclass(frozen=True)
class Plan:
    """An evaluation before its first step.

    Attributes:
      head: the folder's own head where it fits the task; a fresh one is drawn for each seed else.
      pooler: what a fresh head of a BERT starts from, if the folder has one.
      shape: of a device's piece of a batch; None where nothing is trained.
      identity: what finished seeds belong to.
    """

    settings: Settings
    task: Task
    problem: Problem
    model: Pretrained
    head: Params | None
    pooler: Params | None
    network: Network
    devices: Devices
    shape: Shape | None
    teacher: Teacher | None
    epochs: int
    identity: Mapping[str, Any]

    def dealing(self, seed: int) -> BatchPlan:
        """The batches of a seed."""
        assert self.problem.training is not None
        lengths = self.problem.training.encoded.lengths
        return BatchPlan(lengths, self.settings.batch, self.hands, seed)

    @property
    def hands(self) -> int:
        """Pieces of a batch, over all devices."""
        return self.devices.count * self.micro_batches

    @property
    def micro_batches(self) -> int:
        """Pieces of a device."""
        share = self.settings.batch // self.devices.count
        return share // (self.settings.micro or share)


def make(settings: Settings) -> Plan:
    """Read and check the model, the data and the teacher; raises `UserError`, writes nothing."""
    task = TASKS[settings.task]
    epochs = task.epochs if settings.epochs is None else settings.epochs
    devices = _devices(settings)
    kind = HEADS[task.kind]
    model = load(settings.model, require_head=None if epochs else kind)
    assert model.tokenizer is not None
    check_vocabulary(model.tokenizer, model.config, settings.model)
    length = check_length(settings.length, task.length, model.config)
    source = source_of(settings, task)
    known = model.labels if model.head == kind else ()
    problem, tables = read_problem(
        settings, task, model.tokenizer, source, known, length, training=epochs > 0
    )
    if not epochs:
        text_problem.check_one_label(model, settings.model)
    head = _own_head(model, problem, kind, as_it_is=not epochs)
    if not epochs and head is None:
        raise UserError(
            f"{settings.model} tells apart {', '.join(model.labels)}, the task "
            f"{', '.join(problem.labels)}; fine-tune it with --epochs=1 or more"
        )
    teacher = None
    if settings.teacher:
        teacher = open_teacher(settings.teacher, problem, tables, model, devices, kind)
    return Plan(
        settings=settings,
        task=task,
        problem=problem,
        model=model,
        head=head,
        pooler=load_pooler(locate(settings.model), model.config) if kind != "span" else None,
        network=_network(settings, model, problem),
        devices=devices,
        shape=_shape(settings, problem, model, devices) if epochs else None,
        teacher=teacher,
        epochs=epochs,
        identity=_identity(settings, problem, length, epochs),
    )


def read_problem(
    settings: Settings,
    task: Task,
    tokenizer: "PreTrainedTokenizerFast",
    source: Source,
    known: tuple[str, ...],
    length: int,
    *,
    training: bool,
) -> tuple[Problem, text_problem.Tables | None]:
    """The task's data, encoded, and its tables where it has no spans; raises `UserError`."""
    if task.kind == "span":
        train, held_out = span_problem.read_splits(source, training=training)
        built = span_problem.build(
            train, held_out, tokenizer, length=length, stride=settings.stride
        )
        return built, None
    tables = text_problem.read_tables(
        task,
        source,
        columns=settings.columns or task.columns,
        label=settings.label or task.label,
        training=training,
    )
    labels = text_problem.label_names(task, tables, known)
    built = text_problem.build(settings.task, task, tables, labels, tokenizer, length=length)
    return built, tables


def source_of(settings: Settings, task: Task) -> Source:
    """Where the task's data is; raises `UserError` if nothing says so."""
    if settings.data:
        return Source(settings.data, task.hub[1] if task.hub else None, settings.given)
    if task.hub and not settings.given:
        return Source(*task.hub)
    if not settings.given:
        raise UserError(f"--task={settings.task} needs --data=FOLDER, or --train and --validation")
    return Source("", None, settings.given)


def _own_head(model: Pretrained, problem: Problem, kind: Head, *, as_it_is: bool) -> Params | None:
    """The folder's head if it was made for these labels, its classes in the task's order.

    Without names its classes are taken for the task's only where it is scored `as_it_is`.
    """
    if model.head != kind:
        return None
    head = model.params["head"]
    if kind == "span" or (problem.kind == "regression" and len(model.labels) == 1):
        return head
    order = text_problem.label_order(model.labels, problem.labels)
    named = sorted(map(str.casefold, model.labels)) == sorted(map(str.casefold, problem.labels))
    if order is None or not (named or as_it_is):
        return None
    classifier = {name: leaf[..., list(order)] for name, leaf in head["classifier"].items()}
    return {**head, "classifier": classifier}


def _network(settings: Settings, model: Pretrained, problem: Problem) -> Network:
    return Network(
        config=model.config,
        labels=problem.outputs,
        window=problem.length,
        dtype=jnp.dtype(settings.dtype),
        scan=jax.default_backend() != "cpu",
    )


def _devices(settings: Settings) -> Devices:
    every = jax.devices()
    if settings.devices > len(every):
        raise UserError(
            f"--devices={settings.devices} but there are {len(every)}; give at most that"
        )
    chosen = every[: settings.devices] if settings.devices else every
    if settings.batch % len(chosen):
        raise UserError(
            f"--batch={settings.batch} does not divide by {len(chosen)} devices; "
            f"give a multiple of {len(chosen)}"
        )
    share = settings.batch // len(chosen)
    if settings.micro and share % settings.micro:
        raise UserError(
            f"--micro={settings.micro} does not divide the {share} sequences of a device; "
            "give a divisor"
        )
    return Devices(settings.mode, tuple(chosen))


def _shape(settings: Settings, problem: Problem, model: Pretrained, devices: Devices) -> Shape:
    assert problem.training is not None
    share = settings.batch // devices.count
    hands = devices.count * (share // (settings.micro or share))
    dealing = BatchPlan(problem.training.encoded.lengths, settings.batch, hands, 0)
    return choose_shape(dealing, width=model.config.hidden_size)


def _identity(settings: Settings, problem: Problem, length: int, epochs: int) -> dict[str, Any]:
    """The settings with what they stood for: a changed file is another evaluation."""
    found = replace(settings, length=length, epochs=epochs).as_json()
    models = {"model_weights": settings.model, "teacher_weights": settings.teacher}
    return {
        **found,
        **{name: _file_hash(locate(folder)) for name, folder in models.items() if folder},
        "data_content": _data_hash(problem),
    }


def _file_hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        with file.open("rb") as content:
            while block := content.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:16]


def _data_hash(problem: Problem) -> str:
    digest = hashlib.sha256()
    held_out = (*problem.held_out, *problem.tests)
    sets = [part.encoded for part in held_out]
    for part in held_out:
        right = part.right.tolist() if isinstance(part.right, np.ndarray) else part.right
        digest.update(json.dumps([part.name, right]).encode())
    if problem.training is not None:
        sets.append(problem.training.encoded)
        for values in problem.training.targets.values():
            digest.update(np.ascontiguousarray(values).tobytes())
    for encoded in sets:
        digest.update(encoded.lengths.tobytes())
        digest.update(np.concatenate(encoded.tokens).tobytes())
    return digest.hexdigest()[:16]
