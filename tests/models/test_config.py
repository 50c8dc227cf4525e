from dataclasses import replace

import pytest

from distil_jax.errors import UserError


def test_an_unsupported_type_is_named(config):
    with pytest.raises(UserError, match="'gpt2' is not supported; use one of bert"):
        replace(config, model_type="gpt2")


def test_heads_must_divide_the_width(config):
    with pytest.raises(UserError, match="3 heads do not fit a hidden size of 16"):
        replace(config, heads=3)
