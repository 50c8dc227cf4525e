"""How the model of a step is computed on each platform."""

from dataclasses import replace

import pytest

from distil_jax.configuration import source
from distil_jax.planning.known_shapes import BERT_BASE
from distil_jax.training import assemble


@pytest.mark.parametrize(
    ("platform", "layers", "asked", "expected"),
    [
        ("cpu", 24, "auto", False),
        ("gpu", 6, "auto", False),
        ("gpu", 12, "auto", False),
        ("gpu", 24, "auto", True),
        ("tpu", 6, "auto", True),
        ("cpu", 6, "on", True),
        ("tpu", 6, "off", False),
    ],
)
def test_layers_are_looped_where_it_pays_or_is_asked_for(platform, layers, asked, expected) -> None:
    shape = replace(BERT_BASE, layers=layers)
    config = source.from_values(source.load("base"), {"parallel.scan_layers": asked})
    assert assemble.module(config, shape, "bfloat16", platform=platform).scan is expected
