"""Any model of any shape is saved and loaded, and named and placed, without losing a bit."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from distil_jax import models
from distil_jax.models.activation import ACTIVATIONS
from distil_jax.pretrained import Pretrained, load_weights, save
from distil_jax.pretrained.families import FAMILIES, make_config
from distil_jax.pretrained.writing import expressible, named_tensors

MODULES = {
    "masked_lm": models.MaskedLM,
    "classification": lambda config: models.SequenceClassification(config, labels=3),
    "question_answering": models.QuestionAnswering,
    "token_classification": lambda config: models.TokenClassification(config, labels=3),
}


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    """The fields of one: making it checks types, which draws at random on its own account."""
    model_type = draw(st.sampled_from(sorted(FAMILIES)))
    heads = draw(st.integers(1, 3))
    vocabulary = draw(st.integers(7, 40))
    even = 2 if model_type == "modernbert" else 1  # rotary positions turn pairs
    pad = 1 if model_type == "mpnet" else draw(st.integers(0, 6))
    return {
        "model_type": model_type,
        "vocabulary": vocabulary,
        "hidden_size": heads * even * draw(st.integers(1, 5)),
        "layers": draw(st.integers(1, 4)),
        "heads": heads,
        "mlp_size": draw(st.integers(1, 9)),
        "positions": draw(st.integers(1, 12)),
        "position_offset": FAMILIES[model_type].position_offset(pad),
        "token_types": draw(st.integers(1, 3)) if "token_types" in FAMILIES[model_type].keys else 0,
        "activation": draw(st.sampled_from(sorted(ACTIVATIONS))),
        "norm_epsilon": 1e-12
        if model_type == "distilbert"
        else draw(st.sampled_from([1e-5, 1e-12])),
        "dropout": draw(st.floats(0, 0.9)),
        "attention_dropout": draw(st.floats(0, 0.9)),
        "initializer_range": draw(st.floats(1e-3, 1)),
        "pad_token": pad,
        "tied": draw(st.booleans()),
    }


def random_params(config: models.EncoderConfig, head: str, seed: int):
    """Every leaf random: no shape is computed, so hundreds of models take seconds."""
    shapes = jax.eval_shape(
        lambda: models.initialize_module(MODULES[head](config), jax.random.key(0))
    )
    random = np.random.default_rng(seed)
    params = jax.tree.map(lambda leaf: random.normal(size=leaf.shape).astype(np.float32), shapes)
    if not config.block.first_norm:  # the first layer's is no part of a folder
        params["encoder"]["layers"]["attention_norm"]["scale"][0] = 1
    return params


def stored(config: models.EncoderConfig, params) -> list[np.ndarray]:
    """All arrays of which a folder holds something."""
    if config.block.first_norm:
        return jax.tree.leaves(params)
    layers = params["encoder"]["layers"]
    norms = jax.tree.map(lambda leaf: leaf[1:], layers["attention_norm"])
    encoder = {**params["encoder"], "layers": {**layers, "attention_norm": norms}}
    return jax.tree.leaves({**params, "encoder": encoder})


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(fields=configurations(), head=st.sampled_from(sorted(MODULES)), seed=st.integers(0, 99))
def test_what_is_saved_is_loaded_bit_for_bit(tmp_path: Path, fields, head, seed) -> None:
    config = make_config(**fields)
    if head != "masked_lm":
        config = replace(config, tied=True)
    params = random_params(config, head, seed)
    head = config.language_head if head == "masked_lm" else head
    labels = ("a", "b", "c") if "classification" in head else ()
    shutil.rmtree(tmp_path / "model", ignore_errors=True)
    save(tmp_path / "model", Pretrained(config, params, head, labels, None))
    found, loaded, found_head, found_labels = load_weights(tmp_path / "model", require_head=head)
    assert (found, found_head, found_labels) == (config, head, labels)
    assert jax.tree.structure(loaded) == jax.tree.structure(params)
    for ours, theirs in zip(jax.tree.leaves(loaded), jax.tree.leaves(params), strict=True):
        assert np.asarray(ours).tobytes() == theirs.tobytes()


@settings(max_examples=20, deadline=None)
@given(fields=configurations(), seed=st.integers(0, 99))
def test_every_number_goes_into_exactly_one_tensor(fields, seed) -> None:
    config = make_config(**fields)
    params = random_params(config, "masked_lm", seed)
    head = config.language_head
    config, params = expressible(config, params, head)
    tensors = list(named_tensors(config, params, head))
    names = [name for name, _ in tensors]
    assert len(names) == len(set(names))
    own = [t for name, t in tensors if not (not config.tied and name.endswith("decoder.bias"))]
    if config.model_type == "distilbert" and not config.tied:
        own = [tensor for _, tensor in tensors]
    written = np.sort(np.concatenate([tensor.ravel() for tensor in own]))
    held = np.sort(np.concatenate([np.ravel(leaf) for leaf in stored(config, params)]))
    np.testing.assert_array_equal(written, held)
