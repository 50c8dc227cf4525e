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
    monkeypatch.setattr(precision, "_ratio", lambda: ratio)
    monkeypatch.setattr(notes, "_said", set())
    settled = precision.settled(config, "cpu")
    assert (settled.precision.compute, settled.precision.teacher) == (chosen, chosen)
    said = capsys.readouterr().err
    assert said.count("auto is") == 1
    assert f"auto is {chosen}" in said


@pytest.mark.parametrize("platform", ["gpu", "tpu"])
def test_accelerators_take_bfloat16_unmeasured(config, monkeypatch, platform):
    monkeypatch.setattr(precision, "_ratio", lambda: pytest.fail("measured"))
    assert precision.settled(config, platform).precision.compute == "bfloat16"


def test_what_was_begun_stays_and_is_not_measured(config, monkeypatch):
    monkeypatch.setattr(precision, "_ratio", lambda: pytest.fail("measured"))
    before = {"compute": "float32", "teacher": "bfloat16", "parameters": "float32"}
    settled = precision.settled(config, "tpu", lambda: before)
    assert dataclasses.asdict(settled.precision) == before


def test_what_is_asked_for_stays(config):
    asked = dataclasses.replace(config.precision, compute="float32", teacher="bfloat16")
    config = dataclasses.replace(config, precision=asked)
    assert precision.settled(config, "tpu", lambda: {"compute": "bfloat16"}) == config


@pytest.mark.parametrize(("slow", "below"), [("bfloat16", True), ("float32", False)])
def test_the_slower_type_is_measured_as_slower(monkeypatch, slow, below):
    def product(spec, left, right, dtype):
        for _ in range(30 if left.dtype == slow else 1):
            left = precise(spec, left, right, dtype) * 1e-3
        return left

    precise = precision.product
    monkeypatch.setattr(precision, "product", product)
    assert (precision._times_as_fast() < precision.FASTER) == below


def test_all_processes_take_what_the_first_one_measured(monkeypatch):
    asked = []
    monkeypatch.setattr(
        precision, "broadcast_from_primary", lambda name, make: asked.append(name) or 7.0
    )
    precision._ratio.cache_clear()
    assert precision.computing_dtype("auto", "cpu") == "bfloat16"
    assert precision.computing_dtype("auto", "cpu") == "bfloat16"
    precision._ratio.cache_clear()
    assert len(asked) == 1
