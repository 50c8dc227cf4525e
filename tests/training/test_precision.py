"""What `auto` computes in, by what is measured."""

import dataclasses

import pytest

from distil_jax import notes
from distil_jax.configuration import source
from distil_jax.training import precision


@pytest.fixture
def config():
    return source.read(
        "base", ["--config.precision.compute=auto", "--config.precision.teacher=auto"]
    )


@pytest.mark.parametrize(("ratio", "chosen"), [(0.8, "float32"), (2.5, "bfloat16")])
def test_a_cpu_takes_what_is_faster_and_says_so_once(config, monkeypatch, capsys, ratio, chosen):
    monkeypatch.setattr(precision, "_times_as_fast", lambda: ratio)
    monkeypatch.setattr(notes, "_said", set())
    settled = precision.settled(config, "cpu")
    assert (settled.precision.compute, settled.precision.teacher) == (chosen, chosen)
    said = capsys.readouterr().err
    assert said.count("auto computes in") == 1
    assert chosen in said


@pytest.mark.parametrize("platform", ["gpu", "tpu"])
def test_accelerators_take_bfloat16_unmeasured(config, monkeypatch, platform):
    monkeypatch.setattr(precision, "_times_as_fast", lambda: pytest.fail("measured"))
    assert precision.settled(config, platform).precision.compute == "bfloat16"


def test_what_is_asked_for_stays(config):
    asked = dataclasses.replace(config.precision, compute="float32", teacher="bfloat16")
    config = dataclasses.replace(config, precision=asked)
    assert precision.settled(config, "tpu") == config


def test_the_measurement_is_a_ratio_of_two_times():
    assert 0.1 < precision._times_as_fast() < 20
