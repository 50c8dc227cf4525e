"""Self-attention relations of one layer (Wang et al. 2021, MiniLMv2, arXiv:2012.15828).

KL(softmax(X_t X_t^T / sqrt(d_t)) || softmax(X_s X_s^T / sqrt(d_s))) for X the queries, keys and
values of one teacher layer and one student layer, each divided anew into relation heads of size d,
so that heads and widths of the two models may differ. Mean over relation heads and tokens, summed
over the kinds of relations. A mixed pair takes X Y^T: `query-key` is the attention that MiniLM
(Wang et al. 2020, arXiv:2002.10957) transfers. It needs no head over the vocabulary.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from jaxtyping import Array

from distil_jax import losses
from distil_jax.configuration.objective_options import RELATIONS, defaults
from distil_jax.errors import UserError
from distil_jax.losses import Sides, WeightedSum
from distil_jax.models import EncoderConfig
from distil_jax.models.intermediates import Intermediates, Request
from distil_jax.objectives.layer_pairs import compared
from distil_jax.objectives.objective import Inputs, Objective, Outputs, all_tokens

NAME = "relations"
OPTIONS = f"config.loss.options.{NAME}"
PROJECTIONS = ("query", "key", "value")
USUAL_HEADS = (48, 12)
LEAST_SIZE = 8
"""Of a relation head that is chosen here; one that is asked for may be smaller."""
FROM_LARGE = {24: 21}
"""The layer that works best of a teacher with so many, where it is not the last (section 4.4)."""


@dataclass(frozen=True)
class Relations:
    """The options: kinds of relations, relation heads, layers (0: the usual ones)."""

    kinds: str
    heads: int
    teacher_layer: int
    student_layer: int

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The two projections of each kind; raises `UserError` for one that there is not."""
        found = []
        for kind in self.kinds.split(","):
            parts = kind.strip().split("-")
            if len(parts) > 2 or any(part not in PROJECTIONS for part in parts):
                raise UserError(
                    f"{OPTIONS}.kinds={self.kinds!r}: {kind.strip()!r} is no relation; use query, "
                    "key, value, or a pair such as query-key"
                )
            found.append((parts[0], parts[-1]))
        return tuple(found)

    def layers(self, student: EncoderConfig, teacher: EncoderConfig) -> tuple[int, int]:
        """The student's layer and the teacher's."""
        usual = FROM_LARGE.get(teacher.layers, teacher.layers)
        chosen = (self.student_layer or student.layers, self.teacher_layer or usual)
        named = zip(("student", "teacher"), chosen, (student, teacher), strict=True)
        for side, layer, shape in named:
            if layer > shape.layers:
                raise UserError(
                    f"{OPTIONS}.{side}_layer={layer}: the {side} has {shape.layers} layers; use 1 "
                    f"to {shape.layers}, or 0"
                )
        return chosen

    def relation_heads(self, student: EncoderConfig, teacher: EncoderConfig) -> int:
        """How many; raises `UserError` for a number that does not divide both widths."""
        widths = (student.hidden_size, teacher.hidden_size)
        if not self.heads:
            usual = (*USUAL_HEADS, teacher.heads, student.heads)
            divides = [n for n in usual if not any(width % n for width in widths)]
            fits = [n for n in divides if min(widths) // n >= LEAST_SIZE]
            return fits[0] if fits else 1
        if any(width % self.heads for width in widths):
            few = [n for n in range(1, min(widths) + 1) if not any(w % n for w in widths)]
            near = sorted(few, key=lambda n: abs(n - self.heads))[:3]
            raise UserError(
                f"{OPTIONS}.heads={self.heads} does not divide the widths {widths[0]} of the "
                f"student and {widths[1]} of the teacher; use {' or '.join(map(str, near))}"
            )
        return self.heads


def _requests(
    options: Relations, student: EncoderConfig, teacher: EncoderConfig | None
) -> tuple[Request, Request]:
    assert teacher is not None
    ours, theirs = options.layers(student, teacher)
    return (
        Request(queries_keys_values=frozenset({ours})),
        Request(queries_keys_values=frozenset({theirs})),
    )


def _check(options: Relations, student: EncoderConfig, teacher: EncoderConfig) -> None:
    options.pairs()
    options.layers(student, teacher)
    options.relation_heads(student, teacher)


def _sides(side: Outputs, layer: int, pair: tuple[str, str]) -> Sides:
    def projection(name: str) -> Array:
        states = _of(side.intermediates)[name][layer]
        return states.reshape(*states.shape[:2], -1)

    return Sides(*map(projection, pair))


def _of(found: Intermediates) -> Mapping[str, Mapping[int, Array]]:
    return {"query": found.queries, "key": found.keys, "value": found.values}


def _compute(options: Relations, inputs: Inputs) -> WeightedSum:
    assert inputs.teacher is not None
    shapes = inputs.compared_shapes
    ours, theirs = options.layers(*shapes)
    return compared(
        losses.relation_kl(
            _sides(inputs.student, ours, pair),
            _sides(inputs.teacher, theirs, pair),
            inputs.batch["segments"],
            heads=options.relation_heads(*shapes),
        )
        for pair in options.pairs()
    )


def _flops(
    options: Relations, student: EncoderConfig, teacher: EncoderConfig | None, length: int
) -> float:
    """Four matmuls a relation: both models' scores, and two back to the student's projections."""
    assert teacher is not None
    widths = 3 * student.hidden_size + teacher.hidden_size
    return len(options.pairs()) * 2.0 * length * widths / 3


def _describe(options: Relations, student: EncoderConfig, teacher: EncoderConfig) -> str:
    ours, theirs = options.layers(student, teacher)
    return f"{theirs} -> {ours} ({options.kinds}; {options.relation_heads(student, teacher)} heads)"


def make(options: Mapping[str, Any]) -> Objective:
    """The objective under these options."""
    chosen = Relations(
        kinds=options["kinds"],
        heads=options["heads"],
        teacher_layer=options["teacher_layer"],
        student_layer=options["student_layer"],
    )
    return Objective(
        name=NAME,
        count=all_tokens,
        compute=partial(_compute, chosen),
        requests=partial(_requests, chosen),
        floor=lambda teacher: 0.0,
        flops=partial(_flops, chosen),
        configure=make,
        teacher=options["teacher"],
        check=partial(_check, chosen),
        layers=partial(_describe, chosen),
        reads_last=False,
    )


OBJECTIVE = make(defaults(RELATIONS))
