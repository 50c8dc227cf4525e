"""Folders of sentence-transformers: both layouts in, the classic one out, and what is refused."""

import json
import shutil

import numpy as np
import pytest

from distil_jax import notes
from distil_jax.errors import UserError
from distil_jax.pretrained import load, load_sentence_model, save_sentence_model


@pytest.fixture
def folder(teacher_folder, tmp_path):
    """A classic folder of the tiny teacher."""
    path = tmp_path / "model"
    save_sentence_model(path, load_sentence_model(teacher_folder))
    return path


def change(file, **values):
    content = json.loads(file.read_text()) if file.is_file() else {}
    file.write_text(json.dumps(content | values))


def test_an_encoder_without_modules_is_the_mean_of_its_tokens(teacher_folder):
    model = load_sentence_model(teacher_folder)
    assert model.vectors.pooling == ("mean",)
    assert model.vectors.stages == ()
    assert model.vectors.max_length == 64
    assert model.model.head is None


def test_the_layout_is_the_classic_one(folder):
    modules = json.loads((folder / "modules.json").read_text())
    assert [each["type"] for each in modules] == [
        "sentence_transformers.models.Transformer",
        "sentence_transformers.models.Pooling",
    ]
    pooling = json.loads((folder / "1_Pooling" / "config.json").read_text())
    assert pooling["word_embedding_dimension"] == 32
    assert pooling["pooling_mode_mean_tokens"] is True
    assert pooling["pooling_mode_cls_token"] is False
    # The encoder's folder is still any encoder's.
    np.testing.assert_array_equal(
        load(folder).params["encoder"]["embeddings"]["tokens"],
        load_sentence_model(folder).model.params["encoder"]["embeddings"]["tokens"],
    )


def test_a_folder_that_version_6_saved_is_read(folder, tmp_path):
    import sentence_transformers

    model = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
    model.max_seq_length = 17
    model.save(str(tmp_path / "saved"))
    again = load_sentence_model(tmp_path / "saved")
    assert again.vectors.pooling == ("mean",)
    assert again.vectors.max_length == 17


def test_the_length_in_sentence_bert_config_wins(folder):
    change(folder / "tokenizer_config.json", model_max_length=50)
    change(folder / "sentence_bert_config.json", max_seq_length=20)
    assert load_sentence_model(folder).vectors.max_length == 20
    change(folder / "sentence_bert_config.json", max_seq_length=None)
    assert load_sentence_model(folder).vectors.max_length == 50


def test_vectors_that_sentence_transformers_would_cut_are_mentioned(folder, capsys):
    change(folder / "config_sentence_transformers.json", truncate_dim=8)
    width = load_sentence_model(folder).width
    assert f"to 8 numbers; here all {width} are made" in capsys.readouterr().err


def test_vectors_that_sentence_transformers_would_compare_otherwise_are_mentioned(
    folder, capsys, monkeypatch
):
    change(folder / "config_sentence_transformers.json", similarity_fn_name="dot")
    load_sentence_model(folder)
    assert "similarity_fn_name is dot; here vectors are learnt" in capsys.readouterr().err
    modules = json.loads((folder / "modules.json").read_text())
    modules.append(
        {"idx": 2, "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}
    )
    (folder / "modules.json").write_text(json.dumps(modules))
    monkeypatch.setattr(notes, "_said", set())
    load_sentence_model(folder)
    assert capsys.readouterr().err == ""


def test_an_earlier_folder_is_replaced_whole(folder, teacher_folder):
    save_sentence_model(folder, load_sentence_model(teacher_folder))
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match=r"holds notes.txt, which is no part of a model folder"):
        save_sentence_model(folder, load_sentence_model(teacher_folder))


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        (["Transformer", "LSTM"], r"modules.json: module 1 is LSTM"),
        (["Transformer", "Pooling", "LayerNorm"], r"modules.json: module 2 is LayerNorm"),
        (["WordEmbeddings", "Pooling"], r"modules.json: module 0 is WordEmbeddings"),
        (["Transformer"], r"modules.json names no Pooling"),
        ([], r"modules.json names no modules"),
    ],
)
def test_modules_that_are_not_supported_are_named(folder, kinds, message):
    modules = [{"idx": n, "path": "", "type": f"package.{kind}"} for n, kind in enumerate(kinds)]
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(UserError, match=message):
        load_sentence_model(folder)


def test_what_is_wrong_in_a_file_is_named_with_the_file(folder):
    change(folder / "1_Pooling" / "config.json", word_embedding_dimension=64)
    with pytest.raises(UserError, match=r"1_Pooling/config.json: the pooling is for .* 64 wide"):
        load_sentence_model(folder)
    change(folder / "1_Pooling" / "config.json", word_embedding_dimension=32, pooling_mode="sum")
    with pytest.raises(UserError, match=r"pooling mode 'sum' is not supported"):
        load_sentence_model(folder)
    shutil.rmtree(folder / "1_Pooling")
    with pytest.raises(UserError, match=r"1_Pooling/config.json does not exist"):
        load_sentence_model(folder)


def test_dense_maps_must_fit_each_other(folder, sentence_dense):
    sentence_dense(folder, inputs=48)
    with pytest.raises(UserError, match=r"a Dense module reads vectors 48 wide, .* are 32 wide"):
        load_sentence_model(folder)


@pytest.fixture
def sentence_dense():
    from safetensors.numpy import save_file

    def add(folder, inputs):
        modules = json.loads((folder / "modules.json").read_text())
        modules.append({"idx": 2, "name": "2", "path": "2_Dense", "type": "package.Dense"})
        (folder / "modules.json").write_text(json.dumps(modules))
        (folder / "2_Dense").mkdir()
        change(folder / "2_Dense" / "config.json", in_features=inputs, out_features=8)
        tensors = {
            "linear.weight": np.ones((8, inputs), np.float32),
            "linear.bias": np.ones(8, np.float32),
        }
        save_file(tensors, folder / "2_Dense" / "model.safetensors")

    return add
