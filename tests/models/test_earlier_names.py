import jax
import jax.numpy as jnp

from distil_jax import models
from distil_jax.models.config import current_fields
from distil_jax.models.earlier_names import with_current_names, with_earlier_names


def test_parameters_of_earlier_versions_have_other_names_and_the_same_order(params):
    earlier = with_earlier_names({"state": (params, 3)})
    layers = earlier["state"][0]["encoder"]["layers"]
    assert set(layers) == {"attention", "attention_norm", "inner", "norm", "outer"}
    before, after = (jax.tree.leaves(tree) for tree in (params, earlier["state"][0]))
    assert all(one is other for one, other in zip(before, after, strict=True))
    back = with_current_names(earlier)
    assert jax.tree.structure(back["state"][0]) == jax.tree.structure(params)
    assert back["state"][0]["encoder"]["layers"]["mlp_in"] is params["encoder"]["layers"]["mlp_in"]


def test_what_is_no_stack_of_layers_stays():
    tree = {"layers": (1, 2), "inner": jnp.ones(2)}
    assert with_earlier_names(tree) == tree


def test_fields_of_earlier_versions_are_understood():
    saved = {"model_type": "bert", "vocabulary": 9, "width": 4, "inner_width": 6, "layers": 1}
    config = models.EncoderConfig(**current_fields(saved), heads=2, positions=5)
    assert (config.hidden_size, config.mlp_size) == (4, 6)
