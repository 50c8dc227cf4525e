"""Schedules written as shares of a run."""

import jax.numpy as jnp
import optax
import pytest

from distil_jax.configuration.schedule_text import parse
from distil_jax.errors import UsageError
from distil_jax.training.schedules import schedule


def test_points_are_reached_at_their_share_and_linear_between() -> None:
    at = schedule(9.0, "0:4, 0.5:2, 1:1", total_steps=101)
    first, second = optax.linear_schedule(4.0, 2.0, 50), optax.linear_schedule(2.0, 1.0, 50)
    for step in range(50):
        assert float(at(jnp.int32(step))) == pytest.approx(float(first(step)), rel=1e-6)
        assert float(at(jnp.int32(step + 50))) == pytest.approx(float(second(step)), rel=1e-6)
    assert float(at(jnp.int32(100))) == 1.0


def test_before_the_first_point_and_after_the_last_it_stays() -> None:
    at = schedule(9.0, "0.25:1,0.5:3", total_steps=101)
    assert [float(at(jnp.int32(step))) for step in (0, 25, 50, 100)] == [1.0, 1.0, 3.0, 3.0]


def test_without_points_it_is_the_constant() -> None:
    assert float(schedule(9.0, " ", total_steps=10)(jnp.int32(5))) == 9.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0:1, 2:1", "shares of the run must grow, from 0 to 1"),
        ("0:1, 0:2", "must grow"),
        ("0.5:1, 0.1:2", "must grow"),
        ("0:-1", "finite numbers of at least 0"),
        ("0:nan", "finite numbers"),
        ("0:1, high", "'high' \\(there is no colon\\) is no SHARE:VALUE pair"),
        ("0:one", "'0:one' is no SHARE:VALUE pair"),
    ],
)
def test_what_is_no_schedule_is_told(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(text)
