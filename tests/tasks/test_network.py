"""The network of a kind of task: a new head fits the encoder of every family."""

from dataclasses import replace
from functools import partial

import jax
import pytest

from distil_jax.models import EncoderConfig, initialize_module
from distil_jax.pretrained.families import FAMILIES, make_config
from distil_jax.tasks.network import fresh_head
from distil_jax.tasks.table import EXAMPLE_KINDS

LAYERS = 3


def small(model_type: str) -> EncoderConfig:
    """Of three layers; of ModernBERT, the layers differ in their windows and rotary bases."""
    config = make_config(
        model_type, vocabulary=9, hidden_size=8, layers=LAYERS, heads=2, mlp_size=6, positions=5
    )
    if model_type != "modernbert":
        return config
    block = replace(config.block, windows=(0, 4, 4), thetas=(16.0, 9.0, 9.0))
    return replace(config, block=block)


@pytest.mark.parametrize("model_type", FAMILIES)
@pytest.mark.parametrize("kind", ["classification", "tokens", "question_answering"])
def test_a_new_head_has_the_shapes_of_the_whole_models(model_type: str, kind: str) -> None:
    config, key = small(model_type), jax.random.key(0)
    head = jax.eval_shape(partial(fresh_head, EXAMPLE_KINDS[kind], config, 2), key)
    model = EXAMPLE_KINDS[kind].model(config, 2)
    whole = jax.eval_shape(partial(initialize_module, model), key)["head"]
    assert jax.tree.map(lambda leaf: leaf.shape, head) == jax.tree.map(lambda x: x.shape, whole)
