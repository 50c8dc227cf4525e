"""Values of a config that are right alone and wrong together."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from distil_jax.configuration.objective_table import OBJECTIVES
from distil_jax.configuration.schedule_text import parse
from distil_jax.configuration.teachers import teacher_numbers
from distil_jax.configuration.vector_options import check_vectors
from distil_jax.errors import UsageError

if TYPE_CHECKING:
    from distil_jax.configuration.schema import Config, Profile


def check_together(config: "Config") -> None:
    """Refuse values that do not go together; raises `UsageError`."""
    masking, loss = config.masking, config.loss
    if masking.mask_percent + masking.random_percent > 100:
        raise UsageError(
            f"config.masking.mask_percent={masking.mask_percent} and random_percent="
            f"{masking.random_percent} are more than 100 together"
        )
    optimizer = config.optimizer
    if optimizer.schedule == "wsd" and optimizer.warmup + optimizer.decay > 1:
        raise UsageError(
            f"config.optimizer.warmup={optimizer.warmup} and decay={optimizer.decay} are more than "
            "the whole run together"
        )
    _check_vocabulary(config)
    _check_schedules(loss.schedules)
    _check_profile(config.profile)
    if not loss.active:
        raise UsageError(f"all of config.loss.{', '.join(OBJECTIVES)} are 0: nothing to learn")
    if config.total_steps == 0 and not config.epochs > 0:
        raise UsageError(
            f"config.total_steps=0 and config.epochs={config.epochs}: set one of them above 0"
        )
    check_vectors(config)
    _check_sizes(config)
    teachers = config.every_teacher
    teacher_numbers(config.teacher_of, len(teachers))
    if len(teachers) > 1 and loss.uses("logit_mse"):
        raise UsageError(
            "config.loss.logit_mse compares logits, and of several teachers probabilities are "
            "averaged; set it to 0, or name one teacher"
        )
    needing = [name for name in loss.active if OBJECTIVES[name].needs_teacher]
    if needing and not (config.teacher or config.targets):
        raise UsageError(
            f"config.teacher is empty but config.loss.{' and '.join(needing)} need one; "
            "set them to 0 to pretrain without"
        )


def _check_sizes(config: "Config") -> None:
    sizes = [name for name in ("hidden_size", "heads", "mlp_size") if getattr(config.student, name)]
    if sizes and (config.student.folder or not config.teacher):
        raise UsageError(
            f"config.student.{sizes[0]} is of a student made from a teacher; without one set "
            f"config.student.architecture.{sizes[0]}, and leave it 0 with config.student.folder"
        )


def _check_vocabulary(config: "Config") -> None:
    if not config.student.vocabulary:
        return
    others = {"config.student.folder": config.student.folder, "config.tokenizer": config.tokenizer}
    set_too = [f"{key}={value}" for key, value in others.items() if value]
    if set_too or not config.teacher or config.loss.of_vectors:
        found = set_too or ["no config.teacher" if not config.teacher else "losses of vectors"]
        raise UsageError(
            f"config.student.vocabulary={config.student.vocabulary} is a part of the teacher's and "
            f"its masked-LM head's, which does not go with {found[0]}; leave one of them out, or "
            "run python -m distil_jax.prune_vocabulary"
        )
    if config.targets or config.teachers:
        raise UsageError(
            f"config.student.vocabulary={config.student.vocabulary} goes with one live teacher; "
            "leave config.targets and config.teachers empty, or prune the vocabulary first "
            "(distil_jax.prune_vocabulary)"
        )
    sizes = [name for name in ("hidden_size", "heads", "mlp_size") if getattr(config.student, name)]
    if sizes and config.student.initialize in ("teacher", "prune"):
        raise UsageError(
            f"config.student.vocabulary={config.student.vocabulary} does not go with a student "
            f"that is pruned to config.student.{sizes[0]}; set config.student.initialize to slice, "
            "svd or random, or start from a teacher whose vocabulary prune_vocabulary has cut"
        )


def _check_profile(profile: "Profile") -> None:
    if bool(profile.first) != bool(profile.last) or profile.first > profile.last:
        raise UsageError(
            f"config.profile.first={profile.first} and config.profile.last={profile.last}: set "
            "both to steps, the first not after the last, or both to 0"
        )


def _check_schedules(schedules: Mapping[str, str]) -> None:
    for name, text in schedules.items():
        try:
            points = parse(text)
        except UsageError as error:
            raise UsageError(f"config.loss.schedules.{name}: {error}") from None
        if name == "temperature" and any(value <= 0 for _, value in points):
            raise UsageError(f"config.loss.schedules.temperature={text!r}: it must stay above 0")
