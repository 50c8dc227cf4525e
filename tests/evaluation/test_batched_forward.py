"""Packed predictions equal each sequence run alone, whatever its length and wherever it stands."""

import jax
import numpy as np
import pytest

from distil_jax import models
from distil_jax.evaluation.batched_forward import BatchedForward
from distil_jax.tasks.encoding import Encoded
from distil_jax.tasks.network import Network, fresh_head
from distil_jax.tasks.table import EXAMPLE_KINDS
from distil_jax.training.parallel import Devices
from tests.forward import forward

CONFIG = models.EncoderConfig(
    model_type="bert",
    vocabulary=50,
    hidden_size=16,
    layers=2,
    heads=2,
    mlp_size=32,
    positions=300,
    token_types=2,
    initializer_range=0.3,
)


LENGTHS = [2, 130, 5, 290, 128, 17, 3, 40, 40, 9]
ONE_TOKEN = [1] * 100
"""GPT-2 puts no tokens around a text: here more than half of a row's tokens are texts."""


@pytest.mark.parametrize(
    ("name", "labels", "devices", "lengths"),
    [
        ("classification", 3, 1, LENGTHS),
        ("classification", 3, 4, LENGTHS),
        ("classification", 3, 1, ONE_TOKEN),
        ("question_answering", 2, 2, LENGTHS),
    ],
)
def test_order_length_and_company_do_not_matter(name, labels, devices, lengths):
    kind = EXAMPLE_KINDS[name]
    random = np.random.default_rng(0)
    tokens = tuple(random.integers(0, 50, size).astype(np.int32) for size in lengths)
    types = tuple((np.arange(size) > size // 2).astype(np.int32) for size in lengths)
    params = {
        "encoder": models.initialize(CONFIG, jax.random.key(0))["encoder"],
        "head": fresh_head(kind, CONFIG, labels, jax.random.key(1)),
    }
    network = Network(kind, CONFIG, labels, 300)
    found = BatchedForward(network, Devices("jit", tuple(jax.devices()[:devices])), 0)(params)(
        Encoded(tokens, types, 0)
    )
    model = kind.model(CONFIG, labels)
    for own, kinds, outputs in zip(tokens, types, found, strict=True):
        batch = {"tokens": own[None], "token_types": kinds[None], "segments": own[None] * 0 + 1}
        alone = forward(model, params, batch)[0]
        np.testing.assert_allclose(outputs, alone, atol=1e-5)
