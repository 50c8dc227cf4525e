import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from distil_jax import models
from distil_jax.models import numpy_forward
from distil_jax.models.activation import ACTIVATIONS
from distil_jax.models.block import Block
from distil_jax.pretrained.families import make_config
from tests.forward import forward

SIZES = {"vocabulary": 40, "hidden_size": 16, "layers": 3, "heads": 2, "mlp_size": 24}
OFFSET = {"token_types": 1, "position_offset": 2, "pad_token": 1, "norm_epsilon": 1e-5}


@pytest.mark.parametrize(
    ("model_type", "fields"),
    [
        ("bert", {"token_types": 2}),
        ("bert", {"token_types": 2, "tied": False, "activation": "gelu_new"}),
        ("distilbert", {"activation": "relu"}),
        ("roberta", OFFSET),
        ("xlm-roberta-xl", OFFSET),
        ("electra", {"token_types": 2, "embedding_size": 8}),
        (
            "modernbert",
            {"activation": "silu", "block": Block("pre", False, True, True, False, True)},
        ),
    ],
)
def test_logits_are_those_of_the_compiled_model(model_type, fields):
    config = make_config(model_type=model_type, positions=20, **SIZES | fields)
    model = models.MaskedLM(config)
    draw = np.random.default_rng(0)
    params = jax.tree.map(
        lambda leaf: np.asarray(leaf) + draw.normal(0, 0.2, leaf.shape).astype(np.float32),
        models.initialize_module(model, jax.random.key(0)),
    )
    tokens = draw.integers(5, 40, 13).tolist()
    batch = {"tokens": np.asarray([tokens]), "segments": np.ones((1, 13), np.int32)}
    expected = forward(model, params, batch)[0]
    found = numpy_forward.masked_logits(config, params, tokens, [2, 7])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected[np.asarray([2, 7])], atol=2e-4)


@pytest.mark.parametrize(
    "block", [Block(windows=(4, 0, 0)), Block(thetas=(1e4,) * 3), Block(relative_bias=True)]
)
def test_layers_that_are_the_encoders_alone(block):
    fields = SIZES | {"block": block}
    assert not numpy_forward.supports(make_config(model_type="bert", positions=20, **fields))
    assert numpy_forward.supports(make_config(model_type="bert", positions=20, **SIZES))


def test_every_activation_is_there_and_the_same():
    x = np.linspace(-9, 9, 1001, dtype=np.float32)
    assert list(numpy_forward.ACTIVATIONS) == list(ACTIVATIONS)
    for name, function in ACTIVATIONS.items():
        found = numpy_forward.ACTIVATIONS[name](x)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, function(jnp.asarray(x)), atol=3e-6, err_msg=name)
    np.testing.assert_allclose(numpy_forward.ACTIVATIONS["gelu"](x), x * norm.cdf(x), atol=2e-6)
