import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distil_jax import notes
from distil_jax.errors import UserError
from distil_jax.pretrained.config_file import read_config, read_labels, write_config
from distil_jax.pretrained.families import FAMILIES, make_config

TYPES = ("bert", "distilbert", "roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "electra")


def write(folder, **content):
    (folder / "config.json").write_text(json.dumps(content))


@pytest.mark.parametrize("model_type", TYPES)
def test_absent_keys_mean_transformers_defaults(tmp_path, model_type):
    from transformers import AutoConfig

    write(tmp_path, model_type=model_type)
    ours, _ = read_config(tmp_path)
    theirs = AutoConfig.for_model(model_type)
    assert (ours.vocabulary, ours.hidden_size) == (theirs.vocab_size, theirs.hidden_size)
    assert (ours.layers, ours.heads) == (theirs.num_hidden_layers, theirs.num_attention_heads)
    assert ours.pad_token == theirs.pad_token_id
    assert ours.positions + ours.position_offset == theirs.max_position_embeddings
    if model_type != "distilbert":
        assert ours.norm_epsilon == theirs.layer_norm_eps
        assert ours.token_types == theirs.type_vocab_size
        assert ours.mlp_size == theirs.intermediate_size


@pytest.mark.parametrize("model_type", TYPES)
def test_a_classifiers_own_dropout_is_read_and_written(tmp_path, model_type):
    key = "seq_classif_dropout" if model_type == "distilbert" else "classifier_dropout"
    write(tmp_path, model_type=model_type, **{key: 0.3})
    config, _ = read_config(tmp_path)
    assert config.head.classifier_dropout == 0.3
    written = json.loads(write_config(config, "classification", ("no", "yes"), "float32"))
    assert written[key] == 0.3
    for wrong in ("", [], 1, -0.1):
        write(tmp_path, model_type=model_type, **{key: wrong})
        with pytest.raises(UserError, match=key):
            read_config(tmp_path)


@given(
    st.builds(
        make_config,
        model_type=st.just("bert"),
        vocabulary=st.integers(1, 10**6),
        hidden_size=st.just(64),
        layers=st.integers(1, 99),
        heads=st.sampled_from([1, 2, 64]),
        mlp_size=st.integers(1, 5000),
        positions=st.integers(1, 5000),
        token_types=st.integers(0, 5),
        activation=st.sampled_from(["gelu", "relu", "gelu_new"]),
        norm_epsilon=st.sampled_from([1e-12, 1e-5]),
        dropout=st.floats(0, 0.9),
        tied=st.booleans(),
    )
)
def test_what_is_written_reads_back(tmp_path_factory, config):
    folder = tmp_path_factory.getbasetemp()
    (folder / "config.json").write_text(write_config(config, "masked_lm", (), "float32"))
    assert read_config(folder)[0] == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "t5"}, "model_type 't5' is not supported; use a bert"),
        ({"model_type": None}, "has no model_type; write the family's name there"),
        ({"model_type": ["bert"]}, "is not supported"),
        ({"position_embedding_type": "relative_key"}, "'relative_key'; only absolute"),
        ({"auto_map": {"AutoModel": "own.Model"}}, "AutoModel made by 'own.Model', the folder's"),
        ({"is_decoder": True}, "is_decoder is True; only encoders"),
        ({"hidden_act": "quick_gelu"}, "activation 'quick_gelu' is not supported"),
        ({"hidden_size": "768"}, "hidden_size is '768', not a valid int"),
        ({"hidden_size": -1}, "hidden_size is -1"),
        ({"hidden_size": 0}, "hidden_size comes out as 0"),
        ({"num_hidden_layers": 0}, "layers comes out as 0; it must be at least 1"),
        ({"hidden_dropout_prob": float("nan")}, "hidden_dropout_prob is nan"),
        ({"hidden_dropout_prob": 1.0}, "dropout is 1.0; it must be below 1"),
        ({"num_attention_heads": 7}, "7 heads do not fit a hidden size of 768"),
        ({"num_attention_heads": 0}, "0 heads do not fit"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, changes, message):
    write(tmp_path, **({"model_type": "bert"} | changes))
    with pytest.raises(UserError, match=message):
        read_config(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", "\ufeff{", "[" * 5000])
def test_a_damaged_file_is_named(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UserError, match=r"config\.json"):
        read_config(tmp_path)


def test_of_a_folder_above_a_model_the_model_is_named(tmp_path):
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text('{"pooling_mode": "mean"}')
    (tmp_path / "inside").mkdir()
    write(tmp_path / "inside", model_type="bert")
    with pytest.raises(UserError, match=r"give a model folder that has one, such as .*/inside$"):
        read_config(tmp_path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"config\.json does not exist; give a model folder with"):
        read_config(tmp_path)
    (tmp_path / "modules.json").write_text("[]")  # a static model has no config.json
    with pytest.raises(UserError, match="vectors alone, which embed, export, benchmark and"):
        read_config(tmp_path)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"1": "yes", "0": "no"}, ("no", "yes")),
        ({"0": "A", "1": "A"}, ("A (0)", "A (1)")),
        ({"0": "only"}, ("LABEL_0", "LABEL_1")),
        (None, ("LABEL_0", "LABEL_1")),
    ],
)
def test_labels(names, expected):
    assert read_labels({"id2label": names}, 2) == expected


def test_a_file_of_before_model_types_is_read_by_its_class(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(notes, "_said", set())
    write(tmp_path, architectures=["RobertaForMaskedLM"])
    assert read_config(tmp_path)[0].model_type == "roberta"
    assert "no model_type; it is read as roberta" in capsys.readouterr().err
    write(tmp_path, architectures=["RobertaForMaskedLMX"])
    with pytest.raises(UserError, match=r'no model_type; write .* "model_type": "bert"'):
        read_config(tmp_path)


def test_what_lies_in_place_of_config_json_is_named(tmp_path):
    (tmp_path / "bert_config.json").write_text("{}")
    with pytest.raises(UserError, match=r"bert_config.json is of a checkpoint of BERT's"):
        read_config(tmp_path)
    (tmp_path / "adapter_config.json").write_text("{}")
    (tmp_path / "modules.json").write_text("[]")  # as sentence-transformers saves one
    with pytest.raises(UserError, match=r"adapter_config.json is of an adapter: merge it"):
        read_config(tmp_path)
    (tmp_path / "config.json").write_text("version https://git-lfs.github.com/spec/v1\noid x\n")
    with pytest.raises(UserError, match=r"config.json is a pointer of Git LFS"):
        read_config(tmp_path)


def test_an_mpnet_that_pads_with_another_token_is_refused(hugging_face, tmp_path):
    """Its positions leave token 1 out, which is then one of a text's."""
    hugging_face("mpnet", pad_token_id=0).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"config.json: pad_token_id is 0; MPNet numbers positions"):
        read_config(tmp_path)


@pytest.mark.parametrize(
    "model_type", [name for name, family in FAMILIES.items() if "bos_token_id" in family.fixed_keys]
)
def test_special_tokens_have_the_tokenizers_numbers(model_type):
    """RoBERTa's are 0 and 2, CamemBERT's 5 and 6, a smaller vocabulary's any."""
    config = make_config(model_type, 60, 16, 1, 2, 24, 20, pad_token=1)
    tokenizer = SimpleNamespace(bos_token_id=5, cls_token_id=5, eos_token_id=None, sep_token_id=6)
    content = json.loads(write_config(config, "masked_lm", (), "float32", tokenizer))
    assert (content["bos_token_id"], content["eos_token_id"]) == (5, 6)
