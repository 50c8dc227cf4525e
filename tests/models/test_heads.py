from dataclasses import replace

import jax
import numpy as np
import pytest

from distil_jax import models

TYPES = ("bert", "distilbert", "roberta")


@pytest.mark.parametrize("model_type", TYPES)
def test_classes_are_judged_by_the_first_token_alone(config, batch, model_type):
    config = replace(config, model_type=model_type)
    model = models.SequenceClassification(config, labels=3)
    params = models.initialize_module(model, jax.random.key(0))
    logits = model.apply({"params": params}, batch)
    assert logits.shape == (3, 3)
    hidden = models.Encoder(config).apply({"params": params["encoder"]}, batch)
    head = models.heads.ClassificationHead(config, 3)
    cut = head.apply({"params": params["head"]}, hidden[:, :1])
    np.testing.assert_allclose(logits, cut, atol=1e-6)


@pytest.mark.parametrize("model_type", TYPES)
def test_heads_drop_out_in_training(config, batch, model_type):
    config = replace(config, model_type=model_type)
    for model in (models.SequenceClassification(config, 2), models.SpanAnswering(config)):
        params = models.initialize_module(model, jax.random.key(0))
        rngs = {"dropout": jax.random.key(1)}
        trained = model.apply({"params": params}, batch, train=True, rngs=rngs)
        assert (trained != model.apply({"params": params}, batch)).any()


def test_span_logits_are_one_dense_map(config, batch):
    model = models.SpanAnswering(config)
    params = models.initialize_module(model, jax.random.key(0))
    hidden = models.Encoder(config).apply({"params": params["encoder"]}, batch)
    outputs = params["head"]["outputs"]
    expected = hidden @ outputs["kernel"] + outputs["bias"]
    np.testing.assert_allclose(model.apply({"params": params}, batch), expected, atol=1e-5)
