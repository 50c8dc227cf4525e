"""Floating-point operations of a training step, counted from shapes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from distil_jax.configuration.schema import Config
from distil_jax.models import EncoderConfig
from distil_jax.models.local_attention import span
from distil_jax.objectives import Objective, active

Recomputed = Literal["none", "attention", "layer"]


@dataclass(frozen=True)
class TrainingFlops:
    """FLOPs per token of a packed row, a multiplication and an addition counted as two."""

    teacher: float
    student: float

    @property
    def total(self) -> float:
        return self.teacher + self.student

    @property
    def teacher_share(self) -> float:
        return self.teacher / self.total


@dataclass(frozen=True)
class WindowedCost:
    """An encoder with local layers: keys that each kind multiplies a query with, and the total.

    Attributes:
      flops: of a token, forward.
      all_global_flops: what they were if every layer saw the whole row.
    """

    local_layers: int
    local_keys: int
    global_layers: int
    global_keys: int
    flops: float
    all_global_flops: float


def windowed_cost(config: EncoderConfig, *, length: int) -> WindowedCost | None:
    """For rows of `length` tokens; None for an encoder without local layers."""
    windows = [kind.window for kind in config.block.kinds(config.layers)]
    local = [window for window in windows if window]
    if not local:
        return None
    every = replace(config, block=replace(config.block, windows=()))
    return WindowedCost(
        local_layers=len(local),
        local_keys=max(_keys(config, length, window) for window in local),
        global_layers=len(windows) - len(local),
        global_keys=length,
        flops=encoder_flops(config, length=length),
        all_global_flops=encoder_flops(every, length=length),
    )


def config_flops(
    config: Config,
    teacher: EncoderConfig | None,
    student: EncoderConfig,
    *,
    length: int,
    recomputed: Recomputed = "none",
    others: Sequence[EncoderConfig] = (),
    shapes: Mapping[str, EncoderConfig | None] | None = None,
) -> TrainingFlops:
    """FLOPs per token of a config's step over rows of `length` tokens, as `training_flops`.

    `teacher` and `others` run along. `shapes` are of what each objective compares with, by name,
    where that is not `teacher`. A loss whose weight is scheduled is computed at every step,
    whatever its weight there.
    """
    objectives = active(config.loss)
    compared = [one for one in objectives if one.needs_teacher]
    of_logits = [one for one in objectives if one.vocabulary is not None]
    teacher_logits = any(one in compared for one in of_logits)
    everywhere = student.block.causal or (config.loss.positions == "all" and teacher_logits)
    decoded_share = 1.0 if everywhere else config.masking.percent / 100
    counted = training_flops(
        teacher,
        student,
        length=length,
        teacher_hidden=bool(compared),
        teacher_logits=teacher_logits,
        decoded_share=decoded_share if of_logits else 0.0,
        recomputed=recomputed,
        frozen_embeddings=config.student.freeze == "embeddings",
    )
    # What an objective computes itself runs forward and backward.
    seen = dict.fromkeys((one.name for one in objectives), teacher) if shapes is None else shapes
    extra = 3 * sum(
        one.flops(student, seen[one.name], length)
        + _vector_matrices(one, student, seen[one.name], _sentences(config, length))
        for one in objectives
    )
    share = decoded_share if of_logits else 0.0
    further = sum(
        _teacher(shape, length, bool(compared), teacher_logits, share) for shape in others
    )
    return TrainingFlops(counted.teacher + further, counted.student + extra)


def _sentences(config: Config, length: int) -> float:
    """Sentences per token that fit into a row: as many vectors are computed of any row."""
    return max(1, length // config.data.shortest_tokens) / length if length else 0.0


def _vector_matrices(
    objective: Objective, student: EncoderConfig, teacher: EncoderConfig | None, sentences: float
) -> float:
    """Forward FLOPs per token of matrices between sentence vectors as wide as the two models."""
    if teacher is None:
        return 0.0
    matrices = objective.vector_projections(student.hidden_size, teacher.hidden_size).values()
    return sentences * sum(2 * ours * own for ours, own in matrices)


def training_flops(
    teacher: EncoderConfig | None,
    student: EncoderConfig,
    *,
    length: int,
    teacher_hidden: bool,
    teacher_logits: bool,
    decoded_share: float,
    recomputed: Recomputed = "none",
    frozen_embeddings: bool = False,
) -> TrainingFlops:
    """FLOPs per token of one optimizer step over rows of `length` tokens.

    Counted are matmuls alone: lookups, LayerNorms, activations and the optimizer are a few
    percent beside them. The student runs forward and backward, a backward pass costing two
    forward ones; the teacher runs forward where an objective compares with it, with its head where
    one of the logits does (`teacher_logits`). `decoded_share` of the tokens
    pass the head and the matmul with the vocabulary: 1 where the teacher's logits count at all
    tokens, the masked share elsewhere. `recomputed` is config.parallel.remat. Embeddings
    that are frozen have no gradient: neither as the decoder's table, where it is theirs, nor as
    what the first layer's queries, keys and values are made from.
    """
    forward = encoder_flops(student, length=length)
    again = {
        "none": 0.0,
        # The scores, not the weighted sum: the attention output is kept.
        "attention": _scores(student, length) / 2,
        "layer": forward,
    }[recomputed]
    decoder = 3 * decoder_flops(student)
    backward = 2 * forward
    if frozen_embeddings:
        backward -= _frozen(student)
        decoder -= 2 * student.table_size * student.vocabulary if student.tied else 0
    return TrainingFlops(
        teacher=_teacher(teacher, length, teacher_hidden, teacher_logits, decoded_share),
        student=forward + backward + again + decoded_share * decoder,
    )


def encoder_flops(config: EncoderConfig, *, length: int) -> float:
    """Forward FLOPs per token: per layer four square matmuls, two feed-forward, attention.

    2 (4 width^2 + 2 width inner) + 4 length width: queries, keys, values and output; the two maps
    of the feed-forward block, three where it is gated; scores and weighted sums over a whole row,
    masked pairs computed too, or over the blocks around a window; disentangled attention's other
    scores. Before the layers, factorised
    embeddings are mapped to the width.
    """
    maps = 3 if config.block.gated else 2
    matmuls = 2 * (4 * config.hidden_size**2 + maps * config.hidden_size * config.mlp_size)
    attention = _scores(config, length) + _relative_scores(config, length)
    return _projection(config) + config.layers * matmuls + attention


def _relative_scores(config: EncoderConfig, length: int) -> float:
    """Of disentangled attention: the table's queries and keys, and two products by distance."""
    span = config.block.relative_span
    if not span:
        return 0.0
    table = 2 * 2 * (2 * span) * config.hidden_size**2 / length
    products = 2 * 2 * (2 * length - 1) * config.hidden_size
    return config.layers * (table + products)


def decoder_flops(config: EncoderConfig) -> float:
    """Forward FLOPs per decoded token: the transform and the matmul with the vocabulary."""
    transform = config.hidden_size if config.head.transform else 0
    return float(2 * config.table_size * (transform + config.vocabulary))


def _projection(config: EncoderConfig) -> float:
    return 2.0 * config.embedding_size * config.hidden_size


def _frozen(config: EncoderConfig) -> float:
    """Backward FLOPs that frozen embeddings save: their own, and what leads to them.

    A LayerNorm before the first layer's attention needs the gradient of its inputs; it is computed
    where the first layer alone has none, too.
    """
    inputs = 0 if config.block.norm == "pre" else 3 * 2 * config.hidden_size**2
    return 2 * _projection(config) + inputs


def _scores(config: EncoderConfig, length: int) -> float:
    """Of all layers: each query with the keys that its layer multiplies it with."""
    kinds = config.block.kinds(config.layers)
    keys = sum(_keys(config, length, kind.window) for kind in kinds)
    return 4.0 * keys * config.hidden_size


def _keys(config: EncoderConfig, length: int, window: int) -> int:
    """A learned bias belongs to whole rows."""
    return length if config.block.relative_bias else span(length, window)


def _teacher(
    config: EncoderConfig | None,
    length: int,
    hidden: bool,
    logits: bool,
    decoded_share: float,
) -> float:
    if config is None or not (hidden or logits):
        return 0.0
    decoded = decoded_share * decoder_flops(config) if logits else 0.0
    return encoder_flops(config, length=length) + decoded
