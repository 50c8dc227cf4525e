"""Everything an evaluation needs, read and checked before anything is written."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from distil_jax.errors import UserError
from distil_jax.evaluation.batch_plan import BatchPlan, choose_shape
from distil_jax.evaluation.fine_tuning_objectives import check_objectives
from distil_jax.evaluation.pieces import PieceShape
from distil_jax.evaluation.settings import Settings
from distil_jax.evaluation.teacher import FineTunedTeacher, mention_order, open_teacher
from distil_jax.evaluation.unlabelled import with_unlabelled
from distil_jax.evaluation.zero_shot import (
    ZeroShotTeacher,
    check_zero_shot,
    hypotheses_of,
    open_zero_shot,
)
from distil_jax.models.types import Params
from distil_jax.pretrained import Pretrained, load, load_pooler, locate
from distil_jax.pretrained.model import check_vocabulary
from distil_jax.tasks.encoding import check_length
from distil_jax.tasks.kind import DataRequest, ExampleKind, Labels, TaskData
from distil_jax.tasks.named import TASKS, NamedTask
from distil_jax.tasks.network import Network
from distil_jax.tasks.sources import Source
from distil_jax.tasks.table import EXAMPLE_KINDS
from distil_jax.training.parallel import Devices

HYPOTHESIS = "This example is {}."


@dataclass(frozen=True)
class FineTuningPlan:
    """An evaluation before its first step.

    Attributes:
      head: the folder's own head where it fits the task; a fresh one is drawn for each seed else.
      pooler: what a fresh head of a BERT starts from, if the folder has one.
      shape: of a device's piece of a batch; None where nothing is trained.
      identity: what finished seeds belong to.
    """

    settings: Settings
    task: NamedTask
    kind: ExampleKind
    data: TaskData
    model: Pretrained
    head: Params | None
    pooler: Params | None
    network: Network
    devices: Devices
    shape: PieceShape | None
    teacher: FineTunedTeacher | ZeroShotTeacher | None
    epochs: int
    identity: Mapping[str, Any]

    def batch_plan(self, seed: int) -> BatchPlan:
        """The batches of a seed."""
        return _batch_plan(self.settings, self.data, self.devices, seed)

    @property
    def shards(self) -> int:
        """Pieces of a batch, over all devices."""
        return self.devices.count * self.micro_batches

    @property
    def micro_batches(self) -> int:
        """Pieces of a device."""
        return _micro_batches(self.settings, self.devices)


def make(settings: Settings) -> FineTuningPlan:
    """Read and check the model, the data and the teacher; raises `UserError`, writes nothing."""
    task = TASKS[settings.task]
    kind = EXAMPLE_KINDS[task.kind]
    epochs = task.epochs if settings.epochs is None else settings.epochs
    if settings.zero_shot:
        check_zero_shot(settings, kind.name, epochs)
    devices = _devices(settings)
    model = _model(settings, kind, epochs)
    assert model.tokenizer is not None
    check_vocabulary(model.tokenizer, model.config, settings.model)
    length = check_length(settings.length, task.length, model.config)
    known = model.labels if model.head == kind.head else ()
    if not epochs:
        kind.check_model(model, settings.model)
    request = replace(
        data_request(settings, task, known, length, training=epochs > 0, threshold=model.threshold),
        head_bias=model.config.head.classifier_bias,
    )
    data = kind.data(task, request, model.tokenizer)
    if settings.unlabelled:
        data = with_unlabelled(data, settings, task, model.tokenizer)
    head = _own_head(settings.model, kind, model, data, as_it_is=not epochs)
    teacher = _teacher(settings, task, kind, data, model, devices)
    check_objectives(settings, data, model, teacher)
    return FineTuningPlan(
        settings=settings,
        task=task,
        kind=kind,
        data=data,
        model=model,
        head=head,
        pooler=load_pooler(locate(settings.model), model.config) if kind.from_pooler else None,
        network=_network(settings, kind, model, data),
        devices=devices,
        shape=_shape(settings, data, model, devices) if epochs else None,
        teacher=teacher,
        epochs=epochs,
        identity=_identity(settings, data, length, epochs),
    )


def _model(settings: Settings, kind: ExampleKind, epochs: int) -> Pretrained:
    model = load(settings.model, require_head=None if epochs else kind.head)
    if (rate := settings.dropout) is None:
        return model
    return replace(model, config=replace(model.config, dropout=rate, attention_dropout=rate))


def _teacher(
    settings: Settings,
    task: NamedTask,
    kind: ExampleKind,
    data: TaskData,
    model: Pretrained,
    devices: Devices,
) -> FineTunedTeacher | ZeroShotTeacher | None:
    if settings.zero_shot:
        template = settings.hypothesis_template or HYPOTHESIS
        hypotheses = hypotheses_of(settings.candidate_labels, data.labels, template)
        return open_zero_shot(settings.teacher, kind, data, hypotheses, devices)
    if settings.targets and not settings.teacher:
        raise UserError(
            f"--targets={settings.targets} keeps a teacher's outputs; name it with --teacher"
        )
    if not settings.teacher:
        return None
    return open_teacher(
        settings.teacher,
        kind,
        data,
        model,
        devices,
        named=bool(task.labels),
        targets=settings.targets,
    )


def data_request(
    settings: Settings,
    task: NamedTask,
    known: Labels,
    length: int,
    *,
    training: bool,
    threshold: float | None = None,
) -> DataRequest:
    """What the settings say of the data; raises `UserError` if nothing says where it is."""
    return DataRequest(
        source=source_of(settings, task),
        columns=settings.columns,
        label=settings.label,
        known=known,
        length=length,
        stride=settings.stride,
        training=training,
        threshold=threshold,
        classes=tuple(settings.candidate_labels),
    )


def source_of(settings: Settings, task: NamedTask) -> Source:
    """Where the task's data is; raises `UserError` if nothing says so."""
    if settings.data:
        return Source(settings.data, task.hub[1] if task.hub else None, settings.given)
    if task.hub and not settings.given:
        return Source(*task.hub)
    if not settings.given:
        raise UserError(f"--task={settings.task} needs --data=FOLDER, or --train and --validation")
    return Source("", None, settings.given)


def _own_head(
    folder: str, kind: ExampleKind, model: Pretrained, data: TaskData, *, as_it_is: bool
) -> Params | None:
    """The folder's head if it was made for these labels; a model scored `as_it_is` must have it."""
    head = kind.own_head(model, data.labels, as_it_is)
    if as_it_is and head is None:
        raise UserError(
            f"{folder} has the labels {', '.join(model.labels)}, the task "
            f"{', '.join(data.labels)}; fine-tune it with --epochs=1 or more"
        )
    if head is not None and as_it_is:
        mention_order(folder, model.labels, data.labels, proven=True)
    return head


def _network(settings: Settings, kind: ExampleKind, model: Pretrained, data: TaskData) -> Network:
    return Network(
        kind=kind,
        config=model.config,
        outputs=data.outputs,
        window=data.length,
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


def _micro_batches(settings: Settings, devices: Devices) -> int:
    share = settings.batch // devices.count
    return share // (settings.micro or share)


def _batch_plan(settings: Settings, data: TaskData, devices: Devices, seed: int) -> BatchPlan:
    assert data.training is not None
    shards = devices.count * _micro_batches(settings, devices)
    return BatchPlan(data.training.unit_lengths, settings.batch, shards, seed)


def _shape(settings: Settings, data: TaskData, model: Pretrained, devices: Devices) -> PieceShape:
    assert data.training is not None
    shape = choose_shape(_batch_plan(settings, data, devices, 0), width=model.config.hidden_size)
    return replace(shape, slots=shape.slots * data.training.largest_unit)


def _identity(settings: Settings, data: TaskData, length: int, epochs: int) -> dict[str, Any]:
    """The settings with what they stood for: a changed file is another evaluation."""
    settled = replace(settings, length=length, epochs=epochs).as_json()
    models = {"model_weights": settings.model, "teacher_weights": settings.teacher}
    return {
        **settled,
        **{name: _file_hash(locate(folder)) for name, folder in models.items() if folder},
        "data_content": _data_hash(data),
    }


def _file_hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        with file.open("rb") as content:
            while block := content.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:16]


def _data_hash(data: TaskData) -> str:
    digest = hashlib.sha256()
    splits = (*data.validation, *data.tests)
    sets = [part.encoded for part in splits]
    for part in splits:
        answers = part.answers
        if isinstance(answers, np.ndarray):
            answers = answers.tolist()
        digest.update(json.dumps([part.name, answers]).encode())
    if data.training is not None:
        sets.append(data.training.encoded)
        for values in data.training.targets.values():
            digest.update(np.ascontiguousarray(values).tobytes())
    for encoded in sets:
        digest.update(encoded.lengths.tobytes())
        digest.update(np.concatenate(encoded.tokens).tobytes())
    return digest.hexdigest()[:16]
