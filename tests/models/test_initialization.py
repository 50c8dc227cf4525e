import jax
import numpy as np

from distil_jax import models


def test_kernels_and_tables_are_normal_and_the_rest_is_neutral(config):
    params = models.initialize(config, jax.random.key(0))
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        name = path[-1].key
        assert not leaf.weak_type
        if name in ("bias", "scale"):
            np.testing.assert_array_equal(leaf, float(name == "scale"))
        else:
            assert abs(float(leaf.std()) / config.initializer_range - 1) < 0.25


def test_layers_and_keys_differ(config):
    kernel = models.initialize(config, jax.random.key(0))["encoder"]["layers"]["mlp_in"]["kernel"]
    other = models.initialize(config, jax.random.key(1))["encoder"]["layers"]["mlp_in"]["kernel"]
    assert (kernel[0] != kernel[1]).any()
    assert (kernel != other).any()
