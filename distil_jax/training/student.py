"""The student that a config describes, as a shape: no weights are needed."""

import dataclasses

from distil_jax.configuration.schema import Config
from distil_jax.configuration.teachers import teacher_numbers
from distil_jax.errors import UserError
from distil_jax.models import EncoderConfig, student_shape
from distil_jax.models.narrowing import check_narrower, narrow_shape
from distil_jax.objectives import Objective, active
from distil_jax.pretrained.families import make_config


def with_dropout(config: Config, shape: EncoderConfig) -> EncoderConfig:
    """The student's shape with the config's dropout."""
    return dataclasses.replace(
        shape,
        dropout=config.student.dropout,
        attention_dropout=config.student.attention_dropout,
    )


def architecture(config: Config, vocabulary: int, *, pad_token: int) -> EncoderConfig:
    """The shape of a randomly initialised model."""
    shape = config.student.architecture
    return make_config(
        model_type="bert",
        vocabulary=vocabulary,
        hidden_size=shape.hidden_size,
        layers=shape.layers,
        heads=shape.heads,
        mlp_size=shape.mlp_size,
        positions=shape.positions,
        token_types=shape.token_types,
        pad_token=pad_token,
    )


def student_of(config: Config, teacher: EncoderConfig, layers: tuple[int, ...]) -> EncoderConfig:
    """The shape of a student with these layers of a teacher, and the config's sizes.

    Raises `UserError` for sizes that its weights cannot be made of.
    """
    try:
        wide = student_shape(teacher, layers, keep_token_types=config.student.keep_token_types)
    except UserError as error:
        raise UserError(f"config.student.layers={config.student.layers!r}: {error}") from error
    sizes = config.student
    small = narrow_shape(
        wide, hidden_size=sizes.hidden_size, heads=sizes.heads, mlp_size=sizes.mlp_size
    )
    rule = narrowing_rule(config, teacher)
    if rule in ("slice", "svd", "prune"):
        check_narrower(wide, small, rule)
    if rule == "prune" and not teacher.head.transform:
        raise UserError(
            f"a narrower student of a {teacher.model_type} cannot be pruned, as it has no head to "
            "fit: set config.student.initialize to slice, svd or random"
        )
    if rule == "prune" and config.loss.of_vectors:
        raise UserError(
            "a narrower student of sentence vectors cannot be pruned: set "
            "config.student.initialize to slice, svd or random"
        )
    # A pruned student's head is fitted to the token table.
    return dataclasses.replace(small, tied=True) if rule == "prune" else small


def narrowing_rule(config: Config, teacher: EncoderConfig) -> str:
    """How the student's weights are made: copy (as wide), random, prune, slice or svd."""
    sizes = config.student
    if sizes.initialize == "random":
        return "random"
    small = narrow_shape(
        teacher, hidden_size=sizes.hidden_size, heads=sizes.heads, mlp_size=sizes.mlp_size
    )
    if small == teacher:
        return "copy"
    return "prune" if sizes.initialize == "teacher" else sizes.initialize


def check_objectives(config: Config, student: EncoderConfig) -> None:
    """Refuse an objective that a student of this shape cannot learn; raises `UserError`."""
    for one in active(config.loss):
        if not one.suits(student):
            other = {"masked_lm": "causal_lm", "causal_lm": "masked_lm"}.get(one.name, "another")
            kind = "predicts each next token" if student.block.causal else "predicts masked tokens"
            raise UserError(
                f"config.loss.{one.name}={config.loss.weight(one.name):g}: a model of type "
                f"{student.model_type} {kind}; set config.loss.{one.name}=0 and "
                f"config.loss.{other} instead"
            )


def check_pair(
    config: Config, teacher: EncoderConfig, student: EncoderConfig, folder: str = ""
) -> None:
    """Refuse a teacher and a student that an objective cannot hold against each other.

    `folder` is the teacher's, config.teacher if it is empty.
    """
    name, folder = config.student.folder or "the student", folder or config.teacher
    comparing = _comparing(config, folder)
    for objective in comparing:
        objective.check(student, teacher)
    needing = {
        field: [one.name for one in comparing if field in one.same]
        for field in ("vocabulary", "hidden_size")
    }
    other = teacher.vocabulary != student.vocabulary and not config.student.vocabulary
    if other and (names := needing["vocabulary"]):
        raise UserError(
            f"teacher {folder} has a vocabulary of {teacher.vocabulary} tokens and {name} "
            f"one of {student.vocabulary}; {' and '.join(names)} need the same"
        )
    if teacher.hidden_size != student.hidden_size and (names := needing["hidden_size"]):
        keys = " and ".join(f"config.loss.{name}=0" for name in names)
        raise UserError(
            f"teacher {folder} is {teacher.hidden_size} wide and {name} "
            f"{student.hidden_size}; set {keys}, or use the same width; hidden_cosine and "
            "hidden_mse compare across widths"
        )


def chosen_teachers(config: Config) -> dict[str, int]:
    """The teacher of each objective that names one; raises `UserError` for one too many."""
    count = max(1, len(config.every_teacher))
    own = {one.name: one.teacher for one in active(config.loss) if one.teacher}
    for name, number in own.items():
        if number >= count:
            raise UserError(
                f"config.loss.options.{name}.teacher={number}: there are {count} teachers, counted "
                "from 0; name another, or add one to config.teachers"
            )
    return own | teacher_numbers(config.teacher_of, count)


def _comparing(config: Config, folder: str) -> list[Objective]:
    """The active objectives that compare with this teacher: those of logits with each."""
    names = [name for name, _ in config.every_teacher]
    number = names.index(folder) if folder in names else 0
    chosen = chosen_teachers(config)
    return [
        one
        for one in active(config.loss)
        if one.vocabulary is not None or chosen.get(one.name, 0) == number
    ]
