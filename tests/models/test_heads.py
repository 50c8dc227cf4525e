from dataclasses import replace

import jax
import numpy as np
import pytest

from distil_jax import models
from distil_jax.pretrained.families import FAMILIES
from tests.forward import forward

TYPES = ("bert", "distilbert", "roberta")


@pytest.mark.parametrize("model_type", TYPES)
def test_classes_are_judged_by_the_first_token_alone(config, batch, model_type):
    config = replace(config, head=FAMILIES[model_type].head)
    model = models.SequenceClassification(config, labels=3)
    params = models.initialize_module(model, jax.random.key(0))
    logits = forward(model, params, batch)
    assert logits.shape == (3, 3)
    hidden = forward(models.Encoder(config), params["encoder"], batch)
    head = models.heads.ClassificationHead(config, 3)
    cut = forward(head, params["head"], hidden[:, :1])
    np.testing.assert_allclose(logits, cut, atol=1e-6)


@pytest.mark.parametrize("model_type", [*TYPES, "gpt2"])
def test_heads_drop_out_in_training_where_their_originals_do(config, model_type):
    config = replace(config, head=FAMILIES[model_type].head)
    hidden = jax.random.normal(jax.random.key(2), (3, 12, config.hidden_size))

    def drops(head) -> bool:
        variables = head.init(jax.random.key(0), hidden)
        trained = head.apply(variables, hidden, jax.random.key(1))
        return bool((trained != head.apply(variables, hidden)).any())

    assert drops(models.heads.ClassificationHead(config, 2)) == (model_type != "gpt2")
    assert drops(models.heads.TokenClassificationHead(config, 2))
    assert drops(models.heads.QuestionAnsweringHead(config)) == (model_type == "distilbert")
    without = replace(config, head=replace(config.head, classifier_dropout=0.0))
    assert not drops(models.heads.ClassificationHead(without, 2))


def test_span_logits_are_one_dense_map(config, batch):
    model = models.QuestionAnswering(config)
    params = models.initialize_module(model, jax.random.key(0))
    hidden = forward(models.Encoder(config), params["encoder"], batch)
    outputs = params["head"]["outputs"]
    expected = hidden @ outputs["kernel"] + outputs["bias"]
    np.testing.assert_allclose(forward(model, params, batch), expected, atol=1e-5)
