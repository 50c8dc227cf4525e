"""resource_usage: what a run took, over changes of its batch and its devices."""

from types import SimpleNamespace
from typing import Any

import pytest

from distil_jax.configuration import source as config_source
from distil_jax.models import student_shape
from distil_jax.objectives import active
from distil_jax.planning.flops import config_flops
from distil_jax.pretrained.families import make_config
from distil_jax.run import resource_usage
from distil_jax.run.data_cursor import START, DataCursor
from distil_jax.training.assemble import TeacherShape, live_targets

LENGTH = 32
TEACHER = make_config(
    "bert", vocabulary=97, hidden_size=32, layers=4, heads=4, mlp_size=64, positions=64
)


def cost(cursor: DataCursor, lines: list[dict[str, Any]]) -> tuple[dict[str, float | int], float]:
    """`resource_usage.cost` of a run of 512 rows a step on 4 devices, and the FLOPs of a token."""
    student = student_shape(TEACHER, 2)
    config = config_source.read("base", ["--config.batch.size=512"])

    setup: Any = SimpleNamespace(  # as much as is read
        config=config,
        cursor=cursor,
        models=SimpleNamespace(teacher=SimpleNamespace(config=TEACHER), student=student, others=()),
        devices=SimpleNamespace(count=4),
        train_data=SimpleNamespace(length=LENGTH),
        spec=SimpleNamespace(
            targets=live_targets(config, [TeacherShape(TEACHER)], student),
            objectives=active(config.loss),
        ),
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(resource_usage, "step_flops", _unchecked(resource_usage.step_flops))
        used = _unchecked(resource_usage.cost)(setup, lines)
    return used, config_flops(config, TEACHER, student, length=LENGTH).total


def _unchecked(function: Any) -> Any:
    """Without the check that a setup is a whole one."""
    return getattr(function, "__wrapped__", function)


def line(step: int, tokens: int, rate: float, **more: int) -> dict[str, Any]:
    return {"step": step, "tokens": tokens, "tokens_per_second": rate, **more}


def test_rows_of_an_earlier_batch_are_counted_as_they_were() -> None:
    lines = [line(1000, 256 * LENGTH, 1e4), line(1500, 512 * LENGTH, 1e4)]
    used, flops_per_token = cost(DataCursor(step=1000, row=256_000), lines)
    assert used["tokens"] == (256_000 + 256_000) * LENGTH
    assert used["flops"] == pytest.approx(flops_per_token * 512_000 * LENGTH)


def test_each_line_counts_with_the_devices_it_ran_on() -> None:
    lines = [
        line(10, 3_600_000, 1e6, devices=8),  # 36 s
        line(30, 3_600_000, 1e6, devices=4),  # 72 s
    ]
    used, _ = cost(START, lines)
    assert used["device_hours"] == pytest.approx((8 * 36 + 4 * 72) / 3600)
    assert used["tokens_per_second"] == pytest.approx(1e6)


def test_lines_of_earlier_versions_ran_on_the_devices_there_are() -> None:
    used, _ = cost(START, [line(10, 3_600_000, 1e6)])
    assert used["device_hours"] == pytest.approx(4 * 36 / 3600)
