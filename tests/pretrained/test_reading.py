import contextlib
import json
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from distil_jax.errors import UserError
from distil_jax.pretrained import load_weights


def rewrite(folder: Path, change) -> None:
    """Pass the folder's tensors through `change`."""
    file = folder / "model.safetensors"
    tensors = {name: np.array(tensor) for name, tensor in load_file(file).items()}
    save_file(change(tensors), file, metadata={"format": "pt"})


def set_config(folder: Path, **changes) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def same(one, other) -> bool:
    return jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), one, other))


def renamed(change):
    return lambda tensors: {change(name): tensor for name, tensor in tensors.items()}


@pytest.mark.parametrize(
    "change",
    [
        lambda name: name.removeprefix("bert."),
        lambda name: name.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"),
        lambda name: name.replace("cls.predictions.bias", "cls.predictions.decoder.bias"),
    ],
    ids=["without prefix", "gamma and beta", "bias of the decoder"],
)
def test_older_names_give_the_same_parameters(folder, change):
    before = load_weights(folder)
    names = set(load_file(folder / "model.safetensors"))
    rewrite(folder, renamed(change))
    assert set(load_file(folder / "model.safetensors")) != names
    after = load_weights(folder)
    assert after[0] == before[0]
    assert same(after[1], before[1])


def test_what_the_model_does_not_use_is_left_alone(folder):
    before = load_weights(folder)
    extra = {
        "bert.embeddings.position_ids": np.arange(20)[None],
        "bert.pooler.dense.weight": np.ones((16, 16), np.float32),
        "cls.seq_relationship.weight": np.ones((2, 16), np.float32),
    }
    rewrite(folder, lambda tensors: tensors | extra)
    after = load_weights(folder)
    assert after[2] == "masked_lm"
    assert same(after[1], before[1])


def test_an_equal_decoder_is_tied_and_a_different_one_is_not(folder):
    tokens = load_file(folder / "model.safetensors")["bert.embeddings.word_embeddings.weight"]
    table = "cls.predictions.decoder.weight"
    rewrite(folder, lambda tensors: tensors | {table: tokens.copy()})
    config, params, *_ = load_weights(folder)
    assert config.tied
    assert "table" not in params["head"]
    rewrite(folder, lambda tensors: tensors | {table: tokens + 1})
    config, params, *_ = load_weights(folder)
    assert not config.tied
    np.testing.assert_array_equal(params["head"]["table"], tokens + 1)


def test_an_untied_configuration_keeps_its_decoder_though_it_is_equal(folder):
    tokens = load_file(folder / "model.safetensors")["bert.embeddings.word_embeddings.weight"]
    rewrite(folder, lambda tensors: tensors | {"cls.predictions.decoder.weight": tokens.copy()})
    set_config(folder, tie_word_embeddings=False)
    config, params, *_ = load_weights(folder)
    assert not config.tied
    assert "table" in params["head"]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_folders_load_as_float32(folder, dtype):
    import ml_dtypes

    kind = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16}[dtype]
    expected = jax.tree.map(
        lambda leaf: np.asarray(leaf).astype(kind).astype(np.float32), load_weights(folder)[1]
    )
    rewrite(folder, lambda tensors: {n: tensor.astype(kind) for n, tensor in tensors.items()})
    params = load_weights(folder)[1]
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {np.dtype("float32")}
    assert same(params, expected)


def test_a_headless_folder_has_no_head_and_says_so_when_asked(hugging_face, tmp_path):
    hugging_face("bert", "AutoModel").save_pretrained(tmp_path)
    _, params, head, _ = load_weights(tmp_path)
    assert head is None
    assert set(params) == {"encoder"}
    with pytest.raises(UserError, match=r"no masked-language-model head \(it has no head\)"):
        load_weights(tmp_path, require_head="masked_lm")


def test_a_classifier_is_no_teacher(hugging_face, tmp_path):
    hugging_face("distilbert", "AutoModelForSequenceClassification").save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"it has sequence-classification head"):
        load_weights(tmp_path, require_head="masked_lm")


@pytest.mark.parametrize("other", ["TokenClassification", "MultipleChoice"])
@pytest.mark.parametrize("model_type", ["bert", "distilbert", "roberta", "modernbert"])
def test_other_classifiers_are_no_sentence_classifiers(hugging_face, tmp_path, model_type, other):
    hugging_face(model_type, f"AutoModelFor{other}").save_pretrained(tmp_path)
    expected = "token_classification" if other == "TokenClassification" else None
    assert load_weights(tmp_path)[2] == expected


def test_label_names_come_in_order(hugging_face, tmp_path):
    names = {0: "no", 1: "yes"}
    model = hugging_face("bert", "AutoModelForSequenceClassification", id2label=names)
    model.save_pretrained(tmp_path)
    assert load_weights(tmp_path)[3] == ("no", "yes")


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("bert.embeddings.LayerNorm.bias", None),
        ("bert.encoder.layer.1.output.dense.weight", None),
        ("cls.predictions.bias", "masked_lm"),
    ],
)
def test_a_missing_tensor_is_named(folder, name, asked):
    rewrite(folder, lambda tensors: {n: t for n, t in tensors.items() if n != name})
    with pytest.raises(UserError, match=f"lacks tensor {name};"):
        load_weights(folder, require_head=asked)


def test_many_missing_tensors_are_counted(folder):
    set_config(folder, num_hidden_layers=4)
    with pytest.raises(UserError, match=r"lacks tensor bert\.encoder\.layer\.2.* and 31 more"):
        load_weights(folder)


def test_a_wrong_shape_is_named(folder):
    set_config(folder, intermediate_size=25)
    with pytest.raises(UserError, match=r"layer.0.intermediate.* has shape \[24, 16\].*\[25, 16\]"):
        load_weights(folder)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_damaged_numbers_are_named(folder, value):
    def damage(tensors):
        tensors["bert.embeddings.LayerNorm.weight"][3] = value
        return tensors

    rewrite(folder, damage)
    with pytest.raises(UserError, match=r"embeddings.LayerNorm.weight holds NaN or infinity"):
        load_weights(folder)


def test_integers_are_no_weights(folder):
    name = "bert.embeddings.LayerNorm.weight"
    rewrite(folder, lambda tensors: tensors | {name: np.ones(16, np.int32)})
    with pytest.raises(UserError, match=f"{name} is stored as I32, but weights are read as F64"):
        load_weights(folder)


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just([]), st.just({})
)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_value_in_the_configuration_loads_or_is_a_clear_error(folder, data):
    file, whole = folder / "config.json", folder / "whole.json"
    if not whole.exists():
        whole.write_text(file.read_text())
    content = json.loads(whole.read_text())
    content[data.draw(st.sampled_from(sorted(content)))] = data.draw(VALUES)
    file.write_text(json.dumps(content))
    with contextlib.suppress(UserError):
        load_weights(folder)
