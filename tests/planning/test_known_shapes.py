"""known_shapes: parameters of well-known names are those that their authors give."""

import math
from functools import partial

import jax
import pytest

from distil_jax.models import initialize
from distil_jax.planning.known_shapes import KNOWN


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("bert-base-uncased", 109.5),
        ("distilroberta-base", 82.2),
        ("all-mpnet-base-v2", 109.5),
        ("electra-small-generator", 13.5),
        ("deberta-v3-base", 184.6),
        ("modernbert-base", 149.7),
        ("modernbert-large", 395.9),
        ("xlm-roberta-xl", 3482.7),
        ("gpt2", 124.4),
        ("gpt2-xl", 1557.6),
    ],
)
def test_parameters_with_the_language_model_head(name, millions):
    shapes = jax.eval_shape(partial(initialize, KNOWN[name]), jax.random.key(0))
    found = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes))
    assert found / 1e6 == pytest.approx(millions, abs=0.06)
