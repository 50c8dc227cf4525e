from dataclasses import replace
from functools import partial

import jax
import numpy as np

from distil_jax import models


def test_logits_are_features_times_the_output_table(config, params, batch):
    model = models.MaskedLM(config)
    variables = {"params": params}
    hidden, features = jax.jit(partial(model.apply, method="features"))(variables, batch)
    table, bias = model.output_table(params)
    logits = jax.jit(model.apply)(variables, batch)
    np.testing.assert_allclose(logits, features @ table.T + bias, atol=1e-5)
    alone = jax.jit(models.Encoder(config).apply)({"params": params["encoder"]}, batch)
    np.testing.assert_allclose(hidden, alone, atol=1e-5)


def test_a_tied_table_is_the_token_table_and_an_untied_one_its_own(config, params):
    table, _ = models.output_table(params)
    assert table is params["encoder"]["embeddings"]["tokens"]
    untied = models.initialize(replace(config, tied=False), jax.random.key(0))
    assert models.output_table(untied)[0] is untied["head"]["table"]


def test_logits_are_float32_in_bfloat16(config, params, batch):
    model = models.MaskedLM(config, dtype=jax.numpy.bfloat16)
    assert jax.eval_shape(model.apply, {"params": params}, batch).dtype == np.float32
