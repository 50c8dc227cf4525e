import hashlib
import json
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from distil_jax import models, pretrained
from distil_jax.errors import UserError
from distil_jax.pretrained import Pretrained, load_weights, save, writing

TYPES = ("bert", "distilbert", "roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "electra")
AUTO = {
    "masked_lm": "AutoModelForMaskedLM",
    "classification": "AutoModelForSequenceClassification",
    "question_answering": "AutoModelForQuestionAnswering",
}


def loaded(folder: Path) -> Pretrained:
    return Pretrained(*load_weights(folder), None)


def opened(folder: Path, head: str):
    """The model as transformers opens it, once nothing is missing and nothing left over."""
    import transformers

    auto = getattr(transformers, AUTO[head])
    model, about = auto.from_pretrained(folder, output_loading_info=True)
    assert not any(about.values()), about
    return model


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder, with its digest."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("head", AUTO)
@pytest.mark.parametrize("model_type", TYPES)
def test_transformers_opens_what_is_saved_and_finds_every_weight(
    hugging_face, tmp_path, model_type, head
):
    import torch

    original = hugging_face(model_type, AUTO[head], num_labels=2)
    original.save_pretrained(tmp_path / "theirs")
    save(tmp_path / "ours", loaded(tmp_path / "theirs"))
    model = opened(tmp_path / "ours", head)
    assert type(model) is type(original)
    expected = original.state_dict()
    assert set(model.state_dict()) == set(expected)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


@pytest.mark.parametrize("model_type", TYPES)
def test_untied_decoders_survive(hugging_face, tmp_path, model_type):
    original = hugging_face(model_type, tie_word_embeddings=False)
    original.save_pretrained(tmp_path / "theirs")
    saved = loaded(tmp_path / "theirs")
    assert not saved.config.tied
    save(tmp_path / "ours", saved)
    opened(tmp_path / "ours", "masked_lm")
    again = loaded(tmp_path / "ours")
    assert again.config == saved.config
    for one, other in zip(
        jax.tree.leaves(again.params), jax.tree.leaves(saved.params), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("model_type", TYPES)
def test_saved_loaded_and_saved_again_is_the_same_file(hugging_face, tmp_path, model_type):
    hugging_face(model_type).save_pretrained(tmp_path / "theirs")
    save(tmp_path / "one", loaded(tmp_path / "theirs"))
    save(tmp_path / "two", loaded(tmp_path / "one"))
    for file in ("model.safetensors", "config.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_the_format_is_the_one_transformers_asks_for(folder, tmp_path):
    save(tmp_path / "ours", loaded(folder))
    with safe_open(tmp_path / "ours" / "model.safetensors", "np") as file:
        assert file.metadata() == {"format": "pt"}


@pytest.mark.parametrize("epsilon", [1e-12, 1e-5])
@pytest.mark.parametrize("model_type", ["bert", "roberta"])
def test_students_open_as_the_nearest_class_and_come_back_alike(
    hugging_face, tmp_path, model_type, epsilon
):
    hugging_face(model_type, layer_norm_eps=epsilon).save_pretrained(tmp_path / "teacher")
    teacher = loaded(tmp_path / "teacher")
    config, params = models.student_from_teacher(teacher.config, teacher.params, [1])
    save(tmp_path / "student", replace(teacher, config=config, params=params))
    model = opened(tmp_path / "student", "masked_lm")
    distilbert = model_type == "bert" and epsilon == 1e-12
    assert model.config.model_type == ("distilbert" if distilbert else model_type)
    if not distilbert:
        assert not model.base_model.embeddings.token_type_embeddings.weight.any()
    again = loaded(tmp_path / "student")
    assert again.config == config
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), again.params, params))


def test_a_distilbert_with_another_epsilon_becomes_a_bert(hugging_face, tmp_path):
    hugging_face("distilbert").save_pretrained(tmp_path / "theirs")
    model = loaded(tmp_path / "theirs")
    changed = replace(model, config=replace(model.config, norm_epsilon=1e-5))
    save(tmp_path / "ours", changed)
    opened_model = opened(tmp_path / "ours", "masked_lm")
    assert (opened_model.config.model_type, opened_model.config.layer_norm_eps) == ("bert", 1e-5)


def test_what_no_class_can_express_is_refused(hugging_face, tmp_path):
    auto = AUTO["classification"]
    hugging_face("distilbert", auto).save_pretrained(tmp_path / "theirs")
    model = loaded(tmp_path / "theirs")
    for config, message in (
        (replace(model.config, norm_epsilon=1e-5), "fits no model type"),
        (replace(model.config, position_offset=2), "cannot express position_offset 2"),
    ):
        before = tree(tmp_path)
        with pytest.raises(UserError, match=message):
            save(tmp_path / "ours", replace(model, config=config))
        assert tree(tmp_path) == before


def test_labels_are_named(hugging_face, tmp_path):
    hugging_face("bert", AUTO["classification"]).save_pretrained(tmp_path / "theirs")
    save(tmp_path / "ours", replace(loaded(tmp_path / "theirs"), labels=("bad", "good")))
    config = opened(tmp_path / "ours", "classification").config
    assert config.id2label == {0: "bad", 1: "good"}
    assert config.label2id == {"bad": 0, "good": 1}
    assert load_weights(tmp_path / "ours")[3] == ("bad", "good")


def test_half_precision_halves_the_file(folder, tmp_path):
    import torch

    model = loaded(folder)
    save(tmp_path / "half", model, dtype="float16")
    tensors = load_file(tmp_path / "half" / "model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {np.dtype("float16")}
    assert opened(tmp_path / "half", "masked_lm").dtype == torch.float16


def test_what_does_not_fit_into_half_precision_is_refused(folder, tmp_path):
    model = loaded(folder)
    large = {**model.params, "head": jax.tree.map(lambda leaf: leaf + 1e5, model.params["head"])}
    with pytest.raises(UserError, match="holds NaN or infinity as float16"):
        save(tmp_path / "half", replace(model, params=large), dtype="float16")
    assert not (tmp_path / "half").exists()


def test_the_tokenizer_and_the_card_travel_along(teacher_folder, tmp_path):
    from transformers import AutoTokenizer

    from distil_jax.tokenizer import fingerprint

    model = pretrained.load(teacher_folder)
    save(tmp_path / "ours", model, card="# A card\n")
    assert (tmp_path / "ours" / "README.md").read_text() == "# A card\n"
    again = AutoTokenizer.from_pretrained(tmp_path / "ours")
    assert fingerprint(again) == fingerprint(model.tokenizer)


def test_a_tokenizer_gives_token_types_to_models_that_have_some(teacher_folder, tmp_path):
    """transformers 4's DistilBERT refuses them, and one row has none for a second text."""
    from transformers import AutoTokenizer

    teacher = pretrained.load(teacher_folder)
    assert teacher.config.token_types == 2
    encoder = teacher.params["encoder"]
    table = encoder["embeddings"]["token_types"][:1]
    one = {**encoder, "embeddings": {**encoder["embeddings"], "token_types": table}}
    save(tmp_path / "two", teacher)
    save(
        tmp_path / "one",
        replace(
            teacher,
            config=replace(teacher.config, token_types=1),
            params={**teacher.params, "encoder": one},
        ),
    )
    for name, given in (("one", False), ("two", True)):
        tokenizer = AutoTokenizer.from_pretrained(tmp_path / name)
        assert ("token_type_ids" in tokenizer("the river", "was old")) == given


def test_an_earlier_model_is_replaced_and_nothing_is_left_beside_it(folder, tmp_path):
    place = tmp_path / "models"
    model = loaded(folder)
    save(place / "ours", model, card="first")
    save(place / "ours", model)
    assert sorted(file.name for file in place.iterdir()) == ["ours"]
    assert {file.name for file in (place / "ours").iterdir()} == {
        "config.json",
        "model.safetensors",
    }


def test_a_folder_with_anything_else_in_it_is_not_touched(folder, tmp_path):
    place = tmp_path / "mine"
    place.mkdir()
    (place / "thesis.tex").write_text("years of work")
    before = tree(tmp_path)
    with pytest.raises(UserError, match=r"mine holds thesis\.tex"):
        save(place, loaded(folder))
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is not a folder"):
        save(tmp_path / "file", loaded(folder))
    (tmp_path / "file").unlink()
    assert tree(tmp_path) == before


def test_a_failure_while_writing_leaves_the_earlier_model(folder, tmp_path, monkeypatch):
    model = loaded(folder)
    save(tmp_path / "ours", model)
    before = tree(tmp_path)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "save_file", full)
    with pytest.raises(UserError, match="No space left on device"):
        save(tmp_path / "ours", model)
    assert tree(tmp_path) == before


def test_config_json_names_the_class(folder, tmp_path):
    save(tmp_path / "ours", loaded(folder))
    content = json.loads((tmp_path / "ours" / "config.json").read_text())
    assert content["architectures"] == ["BertForMaskedLM"]
