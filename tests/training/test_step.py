"""One step gives the same on any number of devices, in both modes, however it is divided."""

import dataclasses
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from distil_jax.configuration.loss import Loss
from distil_jax.configuration.schema import Optimizer
from distil_jax.configuration.source import read
from distil_jax.losses import WeightedSum
from distil_jax.models import initialize, student_from_teacher
from distil_jax.pretrained.families import make_config
from distil_jax.training import loss_weights, optimizer, step
from distil_jax.training.parallel import Devices
from distil_jax.training.step import (
    Constants,
    StepSpec,
    accumulate,
    initial_state,
    loss_counts,
    mask_batch,
    normalize_by_global_count,
    train_step,
)
from tests.forward import forward

from .specs import model, step_spec

SHAPE = make_config(
    model_type="bert", vocabulary=97, hidden_size=16, layers=2, heads=2, mlp_size=32, positions=32,
    token_types=2, dropout=0.0, attention_dropout=0.0, initializer_range=0.3,
)  # fmt: skip
TEACHER = initialize(SHAPE, jax.random.key(1))
STUDENT_SHAPE, STUDENT = student_from_teacher(SHAPE, TEACHER, (1,))
LOSS = read("base", ["--config.loss.chunk=64"]).loss
TARGETS = Constants(TEACHER)
ROWS, LENGTH = 64, 24


def batch() -> dict[str, np.ndarray]:
    """Rows of very different lengths, some packed, one of padding alone."""
    random = np.random.default_rng(0)
    lengths = random.integers(5, LENGTH + 1, ROWS)
    lengths[7] = 0
    place = np.arange(LENGTH)[None]
    segments = (place < lengths[:, None]) * (1 + (place >= lengths[:, None] // 2))
    return {
        "tokens": random.integers(5, 97, (ROWS, LENGTH)).astype(np.int32),
        "segments": segments.astype(np.int32),
        "epoch": np.zeros(ROWS, np.int32),
        "row": np.arange(ROWS, dtype=np.int32),
    }


def weighted(**values: float) -> Loss:
    return dataclasses.replace(LOSS, weights={**LOSS.weights, **values})


def distillation(*, loss: Loss = LOSS, **changes: object) -> StepSpec:
    return step_spec(STUDENT_SHAPE, SHAPE, loss, **changes)


def scales(spec: StepSpec, counts: dict) -> dict[str, jax.Array]:
    return normalize_by_global_count(spec.weights(jnp.int32(0)), counts)


def accumulated(
    spec: StepSpec, batch: dict, constants: Constants = TARGETS, *, counts: dict | None = None
) -> tuple[dict, dict[str, WeightedSum]]:
    """The gradient and the sums of a masked batch, without dropout."""

    @jax.jit
    def compiled(student, constants, batch, counts):
        counts = loss_counts(spec, batch) if counts is None else counts
        of_all = scales(spec, counts)
        temperature, key = jnp.float32(spec.loss.temperature), jax.random.key(0)
        return accumulate(spec, student, constants, batch, of_all, temperature, key)

    return compiled(STUDENT, constants, batch, counts)


def gradient_on(devices: int, mode: str, spec: StepSpec):
    """The summed gradient and sums, as the step computes them before the optimizer."""

    def body(params, constants, batch, *, sum_over_devices, device):
        masked = mask_batch(spec.masking, spec.seed, batch)
        of_all = scales(spec, sum_over_devices(loss_counts(spec, masked)))
        found = accumulate(
            spec, params, constants, masked, of_all, jnp.float32(2.0), jax.random.key(0)
        )
        return sum_over_devices(found)

    where = Devices(mode, tuple(jax.devices()[:devices]))
    constants, student = where.replicate(TARGETS), where.replicate(STUDENT)
    return jax.device_get(where.map(body)(student, constants, where.split(batch())))


@cache
def whole():
    """The gradient of the undivided batch."""
    return gradient_on(1, "jit", distillation())


def assert_same_gradient(gradient, expected, tolerance: float = 1e-5) -> None:
    """By norm; a key bias, whose true gradient is zero, against the global norm."""
    whole = float(optax.tree.norm(expected))
    pairs = zip(
        jax.tree_util.tree_leaves_with_path(gradient), jax.tree.leaves(expected), strict=True
    )
    for (path, ours), theirs in pairs:
        name = jax.tree_util.keystr(path)
        norm = whole if "'key']['bias'" in name else float(np.linalg.norm(theirs))
        assert float(np.linalg.norm(ours - theirs)) <= tolerance * norm, name


@pytest.mark.parametrize(
    ("mode", "devices", "micro"),
    [
        ("jit", 1, 8),
        ("jit", 1, 1),
        ("jit", 2, 4),
        pytest.param("jit", 8, 8, marks=pytest.mark.optimised),
        ("pmap", 1, 8),
        pytest.param("pmap", 8, 1, marks=pytest.mark.optimised),
    ],
)
def test_accumulation_equals_the_undivided_batch(mode: str, devices: int, micro: int) -> None:
    parts = ROWS // devices // micro
    gradient, means = gradient_on(devices, mode, distillation(micro_batches=parts))
    for name in ("soft_target", "masked_lm", "cosine"):
        ours, theirs = means[name], whole()[1][name]
        assert int(ours.count) == int(theirs.count)
        assert float(ours.total) == pytest.approx(float(theirs.total), rel=1e-6)
    assert_same_gradient(gradient, whole()[0])


def test_a_mean_of_micro_batch_means_would_be_wrong() -> None:
    """What the original code does: every micro-batch divided by its own count, then averaged."""
    run = distillation()
    parts = [{k: jnp.asarray(v[i : i + 8]) for k, v in batch().items()} for i in range(0, ROWS, 8)]
    masked = [mask_batch(run.masking, 0, part) for part in parts]
    one = jax.jit(lambda part: accumulated(run, part))
    means = [one(part) for part in masked]
    gradient = jax.tree.map(lambda *leaves: sum(leaves) / len(leaves), *(m[0] for m in means))
    with pytest.raises(AssertionError):
        assert_same_gradient(jax.device_get(gradient), whole()[0], tolerance=1e-3)
    average = np.mean([float(m[1]["masked_lm"].value()) for m in means])
    assert average != pytest.approx(float(whole()[1]["masked_lm"].value()), rel=1e-4)


@pytest.mark.slow
@pytest.mark.optimised
@pytest.mark.parametrize("positions", ["all", "masked"])
def test_the_loss_is_the_plain_formulas(positions: str) -> None:
    from distil_jax import losses

    run = distillation(loss=dataclasses.replace(LOSS, positions=positions))
    masked = mask_batch(run.masking, 0, {k: jnp.asarray(v) for k, v in batch().items()})
    student, teacher = run.student.module, run.targets.model.module
    logits = forward(student, STUDENT, masked)
    teacher_logits = forward(teacher, TEACHER, masked)
    hidden = forward(student, STUDENT, masked, "encode")
    teacher_hidden = forward(teacher, TEACHER, masked, "encode")
    ordinary = masked["segments"] > 0
    selected = ordinary if positions == "all" else masked["labels"] != losses.IGNORE
    expected = losses.distilbert_loss(
        losses.soft_target(logits, teacher_logits, selected, temperature=2.0),
        losses.masked_lm(logits, masked["labels"]),
        losses.cosine(hidden, teacher_hidden, ordinary),
    )
    _, means = accumulated(run, masked)
    assert float(
        loss_weights.weighted(loss_weights.by_step(run.loss, 1)(jnp.zeros((), jnp.int32)), means)
    ) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("mode", [pytest.param("jit", marks=pytest.mark.optimised), "pmap"])
def test_steps_agree_between_device_counts_and_are_traced_once(mode: str) -> None:
    curves = []
    for devices in (1, 2, 8):
        where = Devices(mode, tuple(jax.devices()[:devices]))
        run = distillation()
        traced = []

        def body(*arguments, run=run, traced=traced, **named):
            traced.append(1)
            return train_step(run, *arguments, **named)

        compiled = where.map(body, donate=True)
        state = where.replicate(initial_state(run.optimizer, jax.tree.map(jnp.copy, STUDENT)))
        teacher = where.replicate(TARGETS)
        losses = []
        for _ in range(5):
            state, values = compiled(state, teacher, where.split(batch()))
            losses.append(float(values["loss"]))
        assert len(traced) == 1
        curves.append(losses)
    assert curves[0][-1] < curves[0][0]
    assert curves[1] == pytest.approx(curves[0], rel=1e-6)
    assert curves[2] == pytest.approx(curves[0], rel=1e-6)


def test_without_a_teacher_only_masked_lm_is_learned() -> None:
    run = step_spec(STUDENT_SHAPE, None, weighted(soft_target=0.0, cosine=0.0))
    masked = mask_batch(run.masking, 0, {k: jnp.asarray(v) for k, v in batch().items()})
    gradient, means = accumulated(run, masked, Constants())
    assert means.keys() == {"masked_lm"}
    assert float(means["masked_lm"].value()) == pytest.approx(
        float(whole()[1]["masked_lm"].value()), rel=1e-6
    )
    assert float(optax.tree.norm(gradient)) > 0


def test_dropout_is_repeatable_and_differs_between_steps() -> None:
    shape = dataclasses.replace(STUDENT_SHAPE, dropout=0.5)
    run = distillation(student=model(shape))
    where = Devices("jit", tuple(jax.devices()[:1]))
    compiled = where.map(partial(train_step, run))
    state = initial_state(run.optimizer, STUDENT)
    first = compiled(state, TARGETS, where.split(batch()))[1]["loss"]
    again = compiled(state, TARGETS, where.split(batch()))[1]["loss"]
    later = dataclasses.replace(state, step=state.step + 1)
    other = compiled(later, TARGETS, where.split(batch()))[1]["loss"]
    assert float(first) == float(again) != float(other)


@pytest.mark.slow
def test_bfloat16_follows_float32() -> None:
    curves = []
    for dtype in ("float32", "bfloat16"):
        run = distillation(dtype=dtype, optimizer=optax.sgd(0.02))
        where = Devices("jit", tuple(jax.devices()[:1]))
        compiled, losses = where.map(partial(train_step, run)), []
        state = initial_state(run.optimizer, STUDENT)
        for _ in range(20):
            state, values = compiled(state, TARGETS, where.split(batch()))
            losses.append(float(values["loss"]))
        curves.append(losses)
    assert curves[0][-1] < 0.9 * curves[0][0]
    assert curves[1] == pytest.approx(curves[0], rel=0.01)


def test_means_have_the_counts_that_were_known_before() -> None:
    masked = mask_batch(distillation().masking, 0, {k: jnp.asarray(v) for k, v in batch().items()})
    counts = loss_counts(distillation(), masked)
    assert counts.keys() == whole()[1].keys() == {"soft_target", "masked_lm", "cosine"}
    for name, count in counts.items():
        assert int(whole()[1][name].count) == int(count)


def run_steps(run: StepSpec, number: int) -> tuple[step.State, list[dict]]:
    where = Devices("jit", tuple(jax.devices()[:1]))
    compiled, seen = where.map(partial(train_step, run)), []
    state = initial_state(run.optimizer, STUDENT)
    for _ in range(number):
        state, values = compiled(state, TARGETS, where.split(batch()))
        seen.append({name: float(value) for name, value in values.items()})
    return state, seen


@pytest.mark.slow
@pytest.mark.parametrize("freeze", ["positions", "embeddings"])
def test_what_is_frozen_stays_bit_for_bit_and_the_rest_learns(freeze: str) -> None:
    config = Optimizer("adamw", 1e-3, "linear", 0.0, 0.2, 0.9, 0.98, 1e-6, 0.1, 0.0)
    made = optimizer.make(config, 10, freeze=freeze)
    state, seen = run_steps(distillation(freeze=freeze, optimizer=made), 3)
    frozen = {"positions": {"positions"}, "embeddings": {"positions", "tokens", "norm"}}[freeze]
    for name, before in STUDENT["encoder"]["embeddings"].items():
        after = state.params["encoder"]["embeddings"][name]
        same = jax.tree.leaves(jax.tree.map(np.array_equal, before, after))
        assert all(same) if name in frozen else not any(same), name
    changed = jax.tree.map(
        lambda a, b: not np.array_equal(a, b), STUDENT["encoder"]["layers"],
        state.params["encoder"]["layers"],
    )  # fmt: skip
    assert all(jax.tree.leaves(changed))
    # The norm that is logged and clipped is that of what learns.
    assert seen[0]["gradient_norm"] < run_steps(distillation(), 1)[1][0]["gradient_norm"]


def test_weights_and_temperature_follow_their_schedules() -> None:
    moving = {"soft_target": "0:5, 1:1", "temperature": "0:4, 1:2"}
    loss = dataclasses.replace(weighted(logit_mse=0.1), schedules={**LOSS.schedules, **moving})
    run = distillation(loss=loss, weights=loss_weights.by_step(loss, 3), optimizer=optax.sgd(0.0))
    _, seen = run_steps(run, 3)
    assert [values["temperature"] for values in seen] == [4.0, 3.0, 2.0]
    assert [values["soft_target_weight"] for values in seen] == [5.0, 3.0, 1.0]
    for values in seen:
        assert values["loss"] == pytest.approx(
            values["soft_target_weight"] * values["soft_target"] + 2 * values["masked_lm"]
            + values["cosine"] + 0.1 * values["logit_mse"], rel=1e-6,
        )  # fmt: skip
    _, constant = run_steps(distillation(optimizer=optax.sgd(0.0)), 1)
    assert seen[2]["soft_target"] == pytest.approx(constant[0]["soft_target"], rel=1e-6)
    assert seen[0]["soft_target"] != pytest.approx(constant[0]["soft_target"], rel=1e-4)


@pytest.mark.slow
def test_the_share_of_clipped_steps_is_counted() -> None:
    norms = [values["gradient_norm"] for values in run_steps(distillation(), 4)[1]]
    assert len(set(norms)) == 4
    bound = sorted(norms)[1] * 1.0001  # two steps are longer
    run = distillation(clip=bound)
    clipped = np.cumsum([norm > bound for norm in norms]) / np.arange(1, 5)
    assert [v["clipped_share"] for v in run_steps(run, 4)[1]] == pytest.approx(clipped, rel=1e-6)
    assert clipped[-1] == 0.5


def test_the_state_keeps_its_types_whatever_the_parameters_are() -> None:
    """Else a checkpoint of bfloat16 parameters could not be restored."""
    halves = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), STUDENT)
    config = Optimizer("adamw", 1e-3, "linear", 0.0, 0.2, 0.9, 0.98, 1e-6, 0.1, 0.0)
    adam = optimizer.make(config, 10)
    run = distillation(student=model(STUDENT_SHAPE, "bfloat16"), optimizer=adam)
    where = Devices("jit", tuple(jax.devices()[:1]))
    before = initial_state(run.optimizer, halves)
    compiled = where.map(partial(train_step, run))
    after, _ = jax.eval_shape(compiled, before, TARGETS, where.split(batch()))
    shapes = [jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree) for tree in (before, after)]
    assert shapes[0] == shapes[1]
    assert {leaf.dtype for leaf in jax.tree.leaves(after.params)} == {jnp.dtype("bfloat16")}
