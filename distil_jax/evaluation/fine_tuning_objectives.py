"""Objectives beside a task's labels and its teacher's outputs: those of hidden states."""

from distil_jax import objectives
from distil_jax.configuration.objective_table import OBJECTIVES
from distil_jax.errors import UserError
from distil_jax.evaluation.settings import Settings
from distil_jax.evaluation.teacher import FineTunedTeacher
from distil_jax.evaluation.zero_shot import ZeroShotTeacher
from distil_jax.objectives import Objective
from distil_jax.pretrained import Pretrained
from distil_jax.tasks.kind import TaskData


def check_objectives(
    settings: Settings,
    data: TaskData,
    model: Pretrained,
    teacher: FineTunedTeacher | ZeroShotTeacher | None,
) -> None:
    """Refuse objectives that cannot compare this model with its teacher, token by token."""
    usable = [
        name
        for name, entry in OBJECTIVES.items()
        if entry.needs_teacher and not entry.of_vectors and objectives.get(name).compute is not None
    ]
    if not (settings.objectives or settings.task_weight):
        raise UserError("--task-weight=0 leaves nothing to learn; give --objectives")
    for name in settings.options:
        if name not in settings.objectives:
            raise UserError(
                f"--option={name}. is of no objective of --objectives; give it a weight"
            )
    for name in settings.objectives:
        if name not in usable:
            raise UserError(
                f"--objectives={name} is none that fine-tuning takes; use {', '.join(usable)}"
            )
        if isinstance(teacher, ZeroShotTeacher):
            raise UserError(
                f"--objectives={name} compares hidden states, and a zero-shot teacher reads other "
                "sequences; leave it out"
            )
        if teacher is None:
            raise UserError(f"--objectives={name} compares with a teacher; name it with --teacher")
        assert data.training is not None
        if teacher.encoded is not data.training.encoded:
            raise UserError(
                f"--objectives={name} compares hidden states token by token; teacher "
                f"{settings.teacher} must have the tokenizer of {settings.model}"
            )
        one = objective_of(settings, name)
        one.check(model.config, teacher.model.config)
        if not one.comparable(model.config, teacher.model.config):
            raise UserError(
                f"--objectives={name} needs the same "
                f"{' and '.join(one.same).replace('_', ' ')} of "
                f"{settings.model} and its teacher {settings.teacher}"
            )


def objective_of(settings: Settings, name: str) -> Objective:
    """An objective of `--objectives` with its options: given, or the table's."""
    entry = OBJECTIVES[name]
    given = settings.options.get(name, {})
    options = {key.name: given.get(key.name, key.default) for key in entry.options}
    one = objectives.get(name)
    return one if one.configure is None else one.configure(options)
