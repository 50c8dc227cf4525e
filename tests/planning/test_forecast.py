"""forecast: what is expected of a program that runs here."""

import jax
import jax.numpy as jnp
import pytest

from distil_jax.planning.chips import CHIPS
from distil_jax.planning.forecast import forecast

SIDE = 256
BYTES = 3 * SIDE * SIDE * 4


@pytest.fixture(scope="module")
def text() -> str:
    shapes = [jax.ShapeDtypeStruct((SIDE, SIDE), jnp.float32)] * 2
    return jax.jit(lambda a, b: a @ b).lower(*shapes).compile().as_text()


def test_a_product_on_a_known_chip(text: str) -> None:
    chip = CHIPS["h200"]
    found = forecast(text, chip, 1)
    assert found is not None
    assert found.times is not None
    values = found.as_dict(tokens=1000.0)
    assert (values["program_flops"], values["traffic_bytes"]) == (2.0 * SIDE**3, BYTES)
    assert values["limit"] == "memory"
    expected = 2 * SIDE**3 / chip.flops / chip.reached.matmuls
    expected += BYTES / chip.hbm_bandwidth / chip.reached.memory
    assert values["expected_tokens_per_second"] == pytest.approx(1000 / expected)


def test_one_device_of_a_chip_with_two_is_a_chip(text: str) -> None:
    found = forecast(text, CHIPS["tpu7x"], 1)
    assert found is not None
    assert found.times is not None
    assert 0 < found.times.expected < 1


def test_where_no_peak_is_published_traffic_is_still_known(text: str) -> None:
    found = forecast(text, None, 1)
    assert found is not None
    values = found.as_dict(tokens=1000.0)
    assert values["traffic_bytes"] == BYTES
    assert (values["limit"], values["expected_tokens_per_second"]) == (None, None)


def test_a_loop_that_does_not_say_how_often_it_turns_has_no_forecast() -> None:
    def halved(x):
        return jax.lax.while_loop(lambda v: v.sum() > 1.0, lambda v: v / 2, x)

    shape = jax.ShapeDtypeStruct((64,), jnp.float32)
    assert forecast(jax.jit(halved).lower(shape).compile().as_text(), None, 1) is None
