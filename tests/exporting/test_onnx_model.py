"""onnx_model: what onnxruntime computes is what the JAX model computes."""

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
import pytest

from distil_jax import models
from distil_jax.errors import UserError
from distil_jax.exporting.onnx_model import OPSET, onnx_model
from distil_jax.exporting.subject import of_head
from distil_jax.models.activation import ACTIVATIONS
from distil_jax.models.block import Block
from tests.forward import forward

TYPES = ("bert", "distilbert", "roberta", "xlm-roberta", "mpnet", "deberta-v2")
TOLERANCE = 1e-4


def in_jax(model, tokens, mask, types=None):
    """The outputs of the Flax module."""
    module = {
        "masked_lm": models.MaskedLM(model.config),
        "classification": models.SequenceClassification(model.config, len(model.labels)),
        "question_answering": models.QuestionAnswering(model.config),
    }[model.head]
    batch = {"tokens": jnp.asarray(tokens, jnp.int32), "segments": jnp.asarray(mask, jnp.int32)}
    if types is not None:
        batch["token_types"] = jnp.asarray(types, jnp.int32)
    params = jax.tree.map(jnp.asarray, dict(model.params))
    outputs = np.asarray(forward(module, params, batch))
    return (outputs[..., 0], outputs[..., 1]) if model.head == "question_answering" else (outputs,)


def in_onnx(proto, tokens, mask, types=None):
    """The outputs of the graph."""
    onnx.checker.check_model(proto, full_check=True)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    inputs = {"input_ids": tokens, "attention_mask": mask.astype(np.int64)}
    if any(put.name == "token_type_ids" for put in session.get_inputs()):
        inputs["token_type_ids"] = np.zeros_like(tokens) if types is None else types
    return session.run(None, inputs)


@pytest.mark.parametrize("head", ["masked_lm", "classification", "question_answering"])
@pytest.mark.parametrize("model_type", TYPES)
def test_outputs_are_the_jax_models(make, rows, model_type, head):
    model, (tokens, mask) = make(model_type, head), rows
    proto = onnx_model(of_head(model))
    assert [entry.version for entry in proto.opset_import] == [OPSET]
    theirs, ours = in_jax(model, tokens, mask), in_onnx(proto, tokens, mask)
    kept = slice(None) if head == "classification" else mask
    for expected, found in zip(theirs, ours, strict=True):
        assert np.ptp(expected) > 0.1
        np.testing.assert_allclose(found[kept], expected[kept], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("activation", sorted({*ACTIVATIONS} - {"gelu", "swish"}))
def test_every_activation(make, rows, activation):
    model, (tokens, mask) = make("bert", activation=activation), rows
    (expected,), (found,) = (
        in_jax(model, tokens, mask),
        in_onnx(onnx_model(of_head(model)), tokens, mask),
    )
    np.testing.assert_allclose(found[mask], expected[mask], atol=TOLERANCE, rtol=0)


def test_token_types_and_no_token_types(make, rows):
    tokens, mask = rows
    types = (np.arange(14)[None] > 6).astype(np.int64) * np.ones_like(tokens)
    model = make("bert")
    (expected,) = in_jax(model, tokens, mask, types)
    (found,) = in_onnx(onnx_model(of_head(model)), tokens, mask, types)
    np.testing.assert_allclose(found[mask], expected[mask], atol=TOLERANCE, rtol=0)
    bare = make("bert", token_types=0)
    (expected,), (found,) = (
        in_jax(bare, tokens, mask),
        in_onnx(onnx_model(of_head(bare)), tokens, mask),
    )
    np.testing.assert_allclose(found[mask], expected[mask], atol=TOLERANCE, rtol=0)


def test_an_untied_decoder_is_its_own_table(make, rows):
    model, (tokens, mask) = make("bert", tied=False), rows
    (expected,), (found,) = (
        in_jax(model, tokens, mask),
        in_onnx(onnx_model(of_head(model)), tokens, mask),
    )
    np.testing.assert_allclose(found[mask], expected[mask], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (2, 20)])
def test_batch_and_length_are_free(make, shape):
    model = make("distilbert")
    tokens = np.random.default_rng(0).integers(5, 60, shape)
    mask = np.ones(shape, bool)
    (expected,), (found,) = (
        in_jax(model, tokens, mask),
        in_onnx(onnx_model(of_head(model)), tokens, mask),
    )
    np.testing.assert_allclose(found, expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("stored", [{}, {"weights": "float16"}, {"table_largest": 127}])
def test_a_tied_table_is_stored_once(make, stored):
    model = make("distilbert", hidden_size=64)
    graph = onnx_model(of_head(model), **stored).graph
    shape = [model.config.vocabulary, 64]
    assert sum(sorted(tensor.dims) == sorted(shape) for tensor in graph.initializer) == 1


def test_float16_weights_are_half_the_bytes_and_nearly_the_outputs(make, rows):
    model, (tokens, mask) = make("bert", hidden_size=64, mlp_size=128), rows
    whole, half = onnx_model(of_head(model)), onnx_model(of_head(model), weights="float16")
    assert half.ByteSize() < 0.65 * whole.ByteSize()
    (expected,), (found,) = in_onnx(whole, tokens, mask), in_onnx(half, tokens, mask)
    assert 0 < np.abs(found - expected)[mask].max() < 0.01 * np.ptp(expected)


def test_weights_beyond_float16_are_refused_by_name(make):
    model = make("bert")
    model.params["encoder"]["embeddings"]["tokens"][3, 3] = 1e6
    with pytest.raises(UserError, match=r"tokens does not fit float16.*int8"):
        onnx_model(of_head(model), weights="float16")


def test_a_model_without_a_head_is_refused(make):
    with pytest.raises(UserError, match="has no masked"):
        onnx_model(of_head(make("bert", None)))


@pytest.mark.parametrize(
    "options",
    [
        {"block": Block("pre", False, True, True, False, False, (0, 2))},
        {"block": Block(norm="pre", embedding_norm=False, causal=True)},
        {"block": Block(causal=True, windows=(3, 3))},
        {"embedding_size": 6},
        {"block": Block(relative_span=4), "token_types": 2},
    ],
)
def test_every_option_of_the_block_specification_is_built(make, rows, options):
    model, (tokens, mask) = make("bert", **options), rows
    (expected,), (found,) = (
        in_jax(model, tokens, mask),
        in_onnx(onnx_model(of_head(model)), tokens, mask),
    )
    np.testing.assert_allclose(found[mask], expected[mask], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("shape", [(1, 1), (2, 20)])
@pytest.mark.parametrize("stored", [{}, {"weights": "float16"}])
def test_relative_embeddings_at_every_length_and_stored_once(make, shape, stored):
    model = make("deberta-v2")
    tokens = np.random.default_rng(0).integers(5, 60, shape)
    mask = np.ones(shape, bool)
    proto = onnx_model(of_head(model), **stored)
    (expected,), (found,) = in_jax(model, tokens, mask), in_onnx(proto, tokens, mask)
    error = TOLERANCE if not stored else 0.02 * np.ptp(expected)
    np.testing.assert_allclose(found, expected, atol=error, rtol=0)
    kernels = [list(tensor.dims) for tensor in proto.graph.initializer if len(tensor.dims) == 2]
    assert kernels.count([16, 48]) == model.config.layers
