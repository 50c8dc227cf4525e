"""Attention scores of mapped layers before the softmax (Jiao et al. 2020, TinyBERT, equation 7).

MSE of query key^T / sqrt(head_size) of student and teacher, whose heads are as many: for each query
token the mean over the keys of its segment and over heads, summed over the pairs of layers, mean
over the tokens. What a family adds to the scores (a bias by position) is left out.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from distil_jax import losses
from distil_jax.configuration.objective_options import ATTENTION, defaults
from distil_jax.errors import UserError
from distil_jax.losses import Sides, WeightedSum
from distil_jax.models import EncoderConfig
from distil_jax.models.intermediates import Request
from distil_jax.objectives.layer_pairs import LayerPairs, compared
from distil_jax.objectives.objective import Inputs, Objective, Outputs

NAME = "attention_mse"


def _requests(
    pairs: LayerPairs, student: EncoderConfig, teacher: EncoderConfig | None
) -> tuple[Request, Request]:
    assert teacher is not None
    ours, theirs = zip(*pairs.map(student, teacher), strict=True)
    return (
        Request(queries_keys_values=frozenset(ours)),
        Request(queries_keys_values=frozenset(theirs)),
    )


def _check(pairs: LayerPairs, student: EncoderConfig, teacher: EncoderConfig) -> None:
    if any(0 in pair for pair in pairs.map(student, teacher)):
        raise UserError(
            f"config.loss.options.{NAME}.layers={pairs.layers!r}: the embeddings, 0, have no "
            "attention scores; count layers from 1"
        )
    if student.heads != teacher.heads:
        raise UserError(
            f"config.loss.{NAME} compares head with head, but the teacher has {teacher.heads} "
            f"attention heads and the student {student.heads}; use as many, or config.loss."
            "relations, which need not be as many"
        )


def _sides(side: Outputs, layer: int) -> Sides:
    found = side.intermediates
    return Sides(
        *(
            array[layer].reshape(*array[layer].shape[:2], -1)
            for array in (found.queries, found.keys)
        )
    )


def _compute(pairs: LayerPairs, inputs: Inputs) -> WeightedSum:
    assert inputs.teacher is not None
    shapes = inputs.compared_shapes
    return compared(
        losses.attention_mse(
            _sides(inputs.student, ours),
            _sides(inputs.teacher, theirs),
            inputs.batch["segments"],
            heads=shapes[0].heads,
        )
        for ours, theirs in pairs.map(*shapes)
    )


def _flops(
    pairs: LayerPairs, student: EncoderConfig, teacher: EncoderConfig | None, length: int
) -> float:
    """Four matmuls a pair of layers: both models' scores, and two back to queries and keys."""
    assert teacher is not None
    layers = len(pairs.map(student, teacher))
    return layers * 2.0 * length * (3 * student.hidden_size + teacher.hidden_size) / 3


def make(options: Mapping[str, Any]) -> Objective:
    """The objective under these options."""
    pairs = LayerPairs.of(NAME, options)
    return pairs.objective(
        options,
        make,
        _compute,
        requests=partial(_requests, pairs),
        same=("heads",),
        flops=partial(_flops, pairs),
        check=partial(_check, pairs),
    )


OBJECTIVE = make(defaults(ATTENTION))
