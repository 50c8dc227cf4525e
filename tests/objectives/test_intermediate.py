"""Objectives of intermediate layers in the step: exact however a batch is divided, and packed."""

import dataclasses
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from distil_jax import losses, objectives
from distil_jax.configuration.schema import Config
from distil_jax.configuration.source import read
from distil_jax.errors import UserError
from distil_jax.losses import Sides
from distil_jax.models import EncoderConfig, MaskedLM, Request, initialize
from distil_jax.training import loss_weights
from distil_jax.training.forward import LanguageModel
from distil_jax.training.parallel import Devices
from distil_jax.training.projections import KEY, with_projections
from distil_jax.training.step import Constants, StepSpec, accumulate, loss_counts
from distil_jax.training.student import check_pair
from distil_jax.training.targets import LiveTeacher
from tests.forward import forward

WIDE = EncoderConfig(
    "bert", 31, hidden_size=24, layers=3, heads=2, mlp_size=16, positions=16, initializer_range=0.3,
    dropout=0.0, attention_dropout=0.0,
)  # fmt: skip
NARROW = dataclasses.replace(WIDE, hidden_size=16, layers=2)
NAMES = ("relations", "hidden_mse", "hidden_cosine", "patient", "attention_mse")
OFF = [f"--config.loss.{name}=0" for name in ("soft_target", "masked_lm", "cosine")]
WEIGHTS = [f"--config.loss.{name}={weight}" for weight, name in enumerate(NAMES, 1)]
OPTIONS = ["hidden_mse.layers=0:0,1:2,2:3", "relations.heads=4", "relations.kinds=query-key,value"]
ROWS = 8


def config(*arguments: str) -> Config:
    options = [f"--config.loss.options.{option}" for option in OPTIONS]
    return read("base", [*OFF, *WEIGHTS, *options, *arguments])


def step_spec(parts: int = 1) -> StepSpec:
    loss = config().loss
    return StepSpec(
        student=LanguageModel(MaskedLM(NARROW)),
        targets=LiveTeacher(LanguageModel(MaskedLM(WIDE))),
        objectives=objectives.active(loss),
        loss=loss,
        weights=loss_weights.by_step(loss, 10),
        masking=None,
        freeze="none",
        clip=0.0,
        optimizer=optax.sgd(0.1),
        schedule=optax.constant_schedule(0.1),
        seed=0,
        micro_batches=parts,
        matmul_dtype="float32",
    )


@cache
def weights() -> tuple[Any, Any]:
    student = initialize(NARROW, jax.random.key(1))
    active = objectives.active(config().loss)
    return (
        with_projections(student, active, NARROW, WIDE, jax.random.key(0)),
        initialize(WIDE, jax.random.key(2)),
    )


def batch() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    lengths = random.integers(3, 13, ROWS)
    lengths[3] = 0
    place = np.arange(12)[None]
    segments = (place < lengths[:, None]) * (1 + (place >= lengths[:, None] // 2))
    tokens = random.integers(0, 31, segments.shape)
    return {"tokens": tokens.astype(np.int32), "segments": segments.astype(np.int32)}


def gradient_on(devices: int, mode: str, micro: int, rows: dict[str, np.ndarray]) -> Any:
    """The summed gradient and sums over devices, as the step computes them."""
    spec = step_spec(len(rows["tokens"]) // devices // micro)

    def body(params, constants, batch, *, sum_over_devices, device):
        counts = sum_over_devices(loss_counts(spec, batch))
        scales = loss_weights.normalize_by_global_count(spec.weights(jnp.int32(0)), counts)
        found = accumulate(
            spec, params, constants, batch, scales, jnp.float32(2.0), jax.random.key(0)
        )
        return sum_over_devices(found)

    where = Devices(mode, tuple(jax.devices()[:devices]))
    student, teacher = weights()
    student = jax.tree.map(jnp.asarray, student)
    constants = where.replicate(Constants(teacher))
    return jax.device_get(where.map(body)(where.replicate(student), constants, where.split(rows)))


@cache
def whole() -> Any:
    return gradient_on(1, "jit", ROWS, batch())


def outputs() -> tuple[Any, Any]:
    """Intermediates of student and teacher, from plain forward passes."""
    student, teacher = weights()
    rows = jax.tree.map(jnp.asarray, batch())

    def run(shape: EncoderConfig, params: Any, states: set[int], layers: set[int]) -> Any:
        request = Request(frozenset(states), queries_keys_values=frozenset(layers))
        return forward(MaskedLM(shape), params, rows, "run", request)

    model = {name: part for name, part in student.items() if name != KEY}
    return run(NARROW, model, {0, 1, 2}, {1, 2}), run(WIDE, teacher, {0, 1, 2, 3}, {2, 3})


def first_tokens() -> np.ndarray:
    segments = batch()["segments"]
    first = np.zeros(segments.shape, bool)
    for row, numbers in enumerate(segments):
        for segment in set(numbers) - {0}:
            first[row, list(numbers).index(segment)] = True
    return first


def sides(found: Any, layer: int, *names: str) -> Sides:
    arrays = [getattr(found, name)[layer] for name in names]
    return Sides(*(array.reshape(*array.shape[:2], -1) for array in arrays))


def of_states(ours: Any, theirs: Any) -> dict[str, Any]:
    """The sums of the objectives of hidden states."""
    own, mask = weights()[0][KEY], batch()["segments"] > 0
    states, wanted = ours.hidden_states, theirs.hidden_states

    def projected(name: str, layer: int) -> jax.Array:
        return states[layer] @ own[name][f"layer_{layer}"]["kernel"]

    return {
        "hidden_mse": sum(
            np.mean((projected("hidden_mse", n) - wanted[m]) ** 2, -1)[mask].sum()
            for n, m in ((0, 0), (1, 2), (2, 3))
        ),
        "hidden_cosine": losses.cosine(
            projected("hidden_cosine", 2), wanted[3], jnp.asarray(mask)
        ).total,
        "patient": losses.normalized_mse(
            projected("patient", 1), wanted[2], jnp.asarray(first_tokens())
        ).total,
    }


def of_tokens(ours: Any, theirs: Any) -> dict[str, Any]:
    """The sums of the objectives of every two tokens."""
    segments, scored = jnp.asarray(batch()["segments"]), ("queries", "keys")
    return {
        "attention_mse": sum(
            losses.attention_mse(
                sides(ours, n, *scored), sides(theirs, m, *scored), segments, heads=2
            ).total
            for n, m in ((1, 2), (2, 3))
        ),
        "relations": sum(
            losses.relation_kl(
                sides(ours, 2, *pair), sides(theirs, 3, *pair), segments, heads=4
            ).total
            for pair in (scored, ("values", "values"))
        ),
    }


@pytest.mark.slow
def test_sums_are_those_of_the_formulas() -> None:
    """Each objective alone, from the hidden states and projections of plain forward passes."""
    ours, theirs = outputs()
    expected = of_states(ours, theirs) | of_tokens(ours, theirs)
    sums = whole()[1]
    assert {name: float(found.total) for name, found in sums.items()} == pytest.approx(
        {name: float(value) for name, value in expected.items()}, rel=1e-4
    )
    counts = {name: int(found.count) for name, found in sums.items()}
    tokens = int((batch()["segments"] > 0).sum())
    assert counts == dict.fromkeys(NAMES, tokens) | {"patient": int(first_tokens().sum())}


def assert_same(found: Any, expected: Any) -> None:
    size = float(optax.tree.norm(expected[0]))
    for ours, theirs in zip(*map(jax.tree.leaves, (found[0], expected[0])), strict=True):
        assert float(np.linalg.norm(ours - theirs)) <= 1e-5 * max(
            float(np.linalg.norm(theirs)), 1e-2 * size
        )
    for name in NAMES:
        assert int(found[1][name].count) == int(expected[1][name].count)
        assert float(found[1][name].total) == pytest.approx(
            float(expected[1][name].total), rel=1e-5
        )


@pytest.mark.parametrize(
    ("mode", "devices", "micro"),
    [
        ("jit", 2, 2),
        pytest.param("jit", 8, 1, marks=pytest.mark.slow),
        pytest.param("pmap", 2, 2, marks=pytest.mark.slow),
    ],
)
def test_the_division_changes_nothing(mode: str, devices: int, micro: int) -> None:
    assert_same(gradient_on(devices, mode, micro, batch()), whole())


def test_packed_rows_equal_a_row_for_each_sequence() -> None:
    rows = batch()
    unpacked: dict[str, list] = {"tokens": [], "segments": []}
    for tokens, segments in zip(rows["tokens"], rows["segments"], strict=True):
        for segment in sorted(set(segments) - {0}):
            own = tokens[segments == segment]
            unpacked["tokens"].append(np.pad(own, (0, 12 - len(own))))
            unpacked["segments"].append(np.pad(np.ones_like(own), (0, 12 - len(own))))
    alone = {name: np.stack(values).astype(np.int32) for name, values in unpacked.items()}
    assert_same(gradient_on(1, "jit", len(alone["tokens"]), alone), whole())


def test_projections_learn_and_are_no_part_of_the_student() -> None:
    gradient = whole()[0][KEY]
    assert sorted(gradient) == ["hidden_cosine", "hidden_mse", "patient"]
    assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(gradient))
    same = with_projections({}, objectives.active(config().loss), WIDE, WIDE, jax.random.key(0))
    assert same == {}


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("relations.heads=5", "options.relations.heads=5 does not divide the widths 16 .* 24"),
        ("relations.teacher_layer=9", "teacher_layer=9: the teacher has 3 layers"),
        ("relations.kinds=query,output", "'output' is no relation"),
        ("hidden_mse.layers=1:4", "hidden_mse.layers='1:4': the teacher has no layer 4"),
        ("hidden_mse.projection=none", "hidden_mse.projection=none, but the teacher is 24 wide"),
        ("attention_mse.layers=0:0", "embeddings, 0, have no attention scores"),
    ],
)
def test_options_that_do_not_fit(option: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_pair(config(f"--config.loss.options.{option}"), WIDE, NARROW)


def test_other_heads_are_no_pairs() -> None:
    shape = dataclasses.replace(NARROW, heads=4)
    with pytest.raises(UserError, match="2 attention heads and the student 4"):
        check_pair(config(), WIDE, shape)


@pytest.mark.parametrize(
    ("widths", "heads"), [((384, 768), 48), ((312, 768), 12), ((128, 256), 4), ((30, 50), 1)]
)
def test_usual_relation_heads(widths: tuple[int, int], heads: int) -> None:
    usual = objectives.get("relations").layers
    student, teacher = (dataclasses.replace(WIDE, hidden_size=w, heads=1) for w in widths)
    teacher = dataclasses.replace(teacher, layers=24, heads=4 if widths[1] == 256 else 1)
    assert usual(student, teacher) == f"21 -> 3 (query,key,value; {heads} heads)"
