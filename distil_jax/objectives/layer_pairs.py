"""What objectives of mapped layers share: their map, its projections, and checks."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from distil_jax.errors import UserError
from distil_jax.losses import WeightedSum
from distil_jax.models import EncoderConfig
from distil_jax.models.intermediates import Request, hidden_states
from distil_jax.models.layer_map import LayerMap, layer_map
from distil_jax.objectives.objective import Inputs, Objective, all_tokens

Configure = Callable[[Mapping[str, Any]], Objective]
Compute = Callable[["LayerPairs", Inputs], WeightedSum]


@dataclass(frozen=True)
class LayerPairs:
    """The options of an objective that compares hidden states of mapped layers.

    Attributes:
      name: the objective's.
      layers: a rule or a list of pairs (`models.layer_map`).
      projection: auto, always or none.
    """

    name: str
    layers: str
    projection: str = "none"

    @classmethod
    def of(cls, name: str, options: Mapping[str, Any]) -> "LayerPairs":
        """From the options of the config."""
        return cls(name, options["layers"], options.get("projection", "none"))

    def map(self, student: EncoderConfig, teacher: EncoderConfig) -> LayerMap:
        """The pairs; raises `UserError` that names the key."""
        try:
            return layer_map(self.layers, student.layers, teacher.layers)
        except UserError as error:
            key = f"config.loss.options.{self.name}.layers"
            raise UserError(f"{key}={self.layers!r}: {error}") from error

    def requests(
        self, student: EncoderConfig, teacher: EncoderConfig | None
    ) -> tuple[Request, Request]:
        """The hidden states of both sides."""
        assert teacher is not None
        pairs = self.map(student, teacher)
        return hidden_states(ours for ours, _ in pairs), hidden_states(own for _, own in pairs)

    def projections(
        self, student: EncoderConfig, teacher: EncoderConfig | None
    ) -> Mapping[str, tuple[int, int]]:
        """The matrix of each pair that has one."""
        if teacher is None or not self._projected(student, teacher):
            return {}
        shape = (student.hidden_size, teacher.hidden_size)
        return {_matrix(ours): shape for ours, _ in self.map(student, teacher)}

    def check(self, student: EncoderConfig, teacher: EncoderConfig) -> None:
        """Refuse a map that does not fit, and widths that differ without a projection."""
        self.map(student, teacher)
        if student.hidden_size != teacher.hidden_size and self.projection == "none":
            raise UserError(
                f"config.loss.options.{self.name}.projection=none, but the teacher is "
                f"{teacher.hidden_size} wide and the student {student.hidden_size}; set it to auto"
            )

    def flops(self, student: EncoderConfig, teacher: EncoderConfig | None, _: int) -> float:
        """Forward FLOPs per token of the projections."""
        shapes = self.projections(student, teacher).values()
        return sum((2.0 * ours * own for ours, own in shapes), 0.0)

    def objective(
        self, options: Mapping[str, Any], make: Configure, compute: Compute, **other: Any
    ) -> Objective:
        """An objective of these pairs, `make`'s own; `other` fields take the place of the usual."""
        usual: dict[str, Any] = {
            "count": all_tokens,
            "requests": self.requests,
            "flops": self.flops,
            "projections": self.projections,
            "check": self.check,
        }
        return Objective(
            name=self.name,
            compute=partial(compute, self),
            floor=lambda teacher: 0.0,
            configure=make,
            teacher=options["teacher"],
            layers=self.describe,
            reads_last=False,
            **usual | other,
        )

    def describe(self, student: EncoderConfig, teacher: EncoderConfig) -> str:
        """The pairs for people."""
        return describe(self.map(student, teacher))

    def states(self, inputs: Inputs) -> Iterator[tuple[Array, Array]]:
        """Hidden states [rows, length, width] of each pair, the student's projected if need be."""
        assert inputs.teacher is not None
        ours, theirs = (
            side.intermediates.hidden_states for side in (inputs.student, inputs.teacher)
        )
        matrices = inputs.projections.get(self.name, {})
        for student, teacher in self.map(*inputs.compared_shapes):
            state = ours[student]
            if _matrix(student) in matrices:
                kernel = matrices[_matrix(student)]["kernel"].astype(state.dtype)
                state = jnp.matmul(state, kernel, preferred_element_type=jnp.float32)
            yield state, theirs[teacher]

    def _projected(self, student: EncoderConfig, teacher: EncoderConfig) -> bool:
        differ = student.hidden_size != teacher.hidden_size
        return {"always": True, "none": False, "auto": differ}[self.projection]


def compared(sums: Iterable[WeightedSum]) -> WeightedSum:
    """The sum over pairs of layers that each have the same terms: they count once."""
    found = list(sums)
    return WeightedSum(sum(each.total for each in found), found[0].count)


def describe(pairs: LayerMap) -> str:
    """Pairs of layers for people, the teacher's first: what feeds what."""
    return ", ".join(f"{teacher} -> {student}" for student, teacher in pairs)


def _matrix(student_layer: int) -> str:
    return f"layer_{student_layer}"
