"""The whole step computes on packed rows what it computes on the same sequences one per row."""

import dataclasses
from functools import cache
from typing import Any

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings

from distil_jax.configuration.source import read
from distil_jax.data import packing
from distil_jax.losses import IGNORE
from distil_jax.models import EncoderConfig, MaskedLM, initialize, student_from_teacher
from distil_jax.pretrained.families import make_config
from distil_jax.training.step import (
    Constants,
    accumulate,
    loss_counts,
    mask_batch,
    normalize_by_global_count,
)

from .specs import MASKING, step_spec

LENGTH = 24
BERT = make_config(
    model_type="bert", vocabulary=97, hidden_size=16, layers=3, heads=2, mlp_size=32,
    positions=LENGTH,
    token_types=2, dropout=0.0, attention_dropout=0.0, initializer_range=0.3,
)  # fmt: skip
ROBERTA = dataclasses.replace(
    BERT, model_type="roberta", pad_token=1, position_offset=2, token_types=1, norm_epsilon=1e-5
)
LOSS = read("base", ["--config.loss.chunk=32"]).loss
Rows = dict[str, np.ndarray]


def sequences(count: int = 18) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    lengths = [LENGTH, 1, *random.integers(2, LENGTH, count - 2)]
    return [random.integers(5, 97, length).astype(np.int32) for length in lengths]


@cache
def masked_rows() -> Rows:
    """Packed by the preparation's own packer, masked by the step's own masking."""
    tokens, segments = packing.pack(sequences(), LENGTH, 0)
    rows = len(tokens)
    assert rows < len(sequences()) / 1.5
    batch = {"tokens": tokens, "segments": segments, "epoch": np.zeros(rows), "row": range(rows)}
    on_device = {name: jnp.asarray(np.asarray(value, np.int32)) for name, value in batch.items()}
    return {name: np.asarray(value) for name, value in mask_batch(MASKING, 0, on_device).items()}


def one_per_row(packed: Rows, *, pad: int) -> Rows:
    """The same masked sequences, each in a row of its own, and rows of padding to end with."""
    made: list[dict[str, np.ndarray]] = []
    for row, segments in enumerate(packed["segments"]):
        for segment in range(1, segments.max() + 1):
            own = segments == segment
            fill = (0, LENGTH - own.sum())
            made.append(
                {
                    "tokens": np.pad(packed["tokens"][row, own], fill, constant_values=pad),
                    "labels": np.pad(packed["labels"][row, own], fill, constant_values=IGNORE),
                    "segments": np.pad(np.ones(own.sum(), np.int32), fill),
                }
            )
    padding = {
        "tokens": np.full(LENGTH, pad, np.int32),
        "labels": np.full(LENGTH, IGNORE, np.int32),
        "segments": np.zeros(LENGTH, np.int32),
    }
    return {name: np.stack([one[name] for one in (*made, padding, padding)]) for name in padding}


def gradient_and_means(shape: EncoderConfig, rows: Rows, **changes: Any) -> Any:
    teacher = initialize(shape, jax.random.key(1))
    student_shape, student = student_from_teacher(shape, teacher, (0, 2))
    loss = dataclasses.replace(LOSS, **changes)
    # One sequence alone may be labelled all over; the packed row it came from was not.
    masking = dataclasses.replace(MASKING, percent=100)
    run = step_spec(student_shape, shape, loss, scan=True, masking=masking)

    @jax.jit
    def both(params: Any, batch: Any) -> Any:
        scales = normalize_by_global_count(run.weights(jnp.int32(0)), loss_counts(run, batch))
        return accumulate(
            run, params, Constants(teacher), batch, scales, jnp.float32(2.0), jax.random.key(0)
        )

    return jax.device_get(both(student, {k: jnp.asarray(v) for k, v in rows.items()}))


@pytest.mark.parametrize(
    ("shape", "positions"),
    [(BERT, "all"), (BERT, "masked"), (ROBERTA, "all")],
    ids=["bert", "bert, masked", "roberta"],
)
def test_losses_and_gradients_of_packed_rows_are_those_of_separate_ones(
    shape: EncoderConfig, positions: str
) -> None:
    packed = masked_rows()
    alone = one_per_row(packed, pad=shape.pad_token)
    gradient, means = gradient_and_means(shape, packed, positions=positions)
    expected, expected_means = gradient_and_means(shape, alone, positions=positions)
    for name in ("soft_target", "masked_lm", "cosine"):
        ours, theirs = means[name], expected_means[name]
        assert int(ours.count) == int(theirs.count) > 0
        assert float(ours.value()) == pytest.approx(float(theirs.value()), rel=1e-6), name
    assert int(means["cosine"].count) == sum(map(len, sequences()))
    whole = float(optax.tree.norm(expected))
    pairs = jax.tree_util.tree_leaves_with_path(gradient)
    for (path, ours), theirs in zip(pairs, jax.tree.leaves(expected), strict=True):
        name = jax.tree_util.keystr(path)
        norm = whole if "'key']['bias'" in name else float(np.linalg.norm(theirs))
        assert float(np.linalg.norm(ours - theirs)) <= 1e-5 * norm, name


@jax.jit
def hidden_and_logits(tokens: jax.Array, segments: jax.Array) -> tuple[jax.Array, jax.Array]:
    model, params = MaskedLM(BERT), initialize(BERT, jax.random.key(1))
    batch = {"tokens": tokens, "segments": segments}
    hidden = model.apply({"params": params}, batch, method="encode")
    return hidden, model.apply({"params": params}, batch)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_changed_token_changes_no_bit_of_another_sequence(data: st.DataObject) -> None:
    packed = masked_rows()
    tokens, segments = packed["tokens"], packed["segments"]
    row = data.draw(st.integers(0, len(tokens) - 1))
    place = data.draw(st.integers(0, int((segments[row] > 0).sum()) - 1))
    changed = tokens.copy()
    changed[row, place] = (changed[row, place] + data.draw(st.integers(1, 96))) % 97
    before, after = (hidden_and_logits(each, segments) for each in (tokens, changed))
    own = np.zeros(segments.shape, bool)
    own[row] = segments[row] == segments[row, place]
    for one, other in zip(before, after, strict=True):
        one, other = np.asarray(one), np.asarray(other)
        assert one[~own].tobytes() == other[~own].tobytes()
        assert (one[own] != other[own]).any(axis=-1).all()
