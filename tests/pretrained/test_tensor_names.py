"""Weights as other programs name them."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from distil_jax import notes
from distil_jax.errors import UserError
from distil_jax.pretrained import load_weights

TABLE = "bert.embeddings.word_embeddings.weight"


def rename(folder: Path, change) -> None:
    tensors = load_file(folder / "model.safetensors")
    save_file({change(name): each for name, each in tensors.items()}, folder / "model.safetensors")


def equal(first, second) -> bool:
    import jax

    return jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), first, second))


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.module.", "0.auto_model.", "student."])
def test_a_prefix_before_all_names_is_left_out(folder, capsys, prefix):
    expected = load_weights(folder, require_head="masked_lm")[1]
    rename(folder, lambda name: prefix + name)
    assert equal(load_weights(folder, require_head="masked_lm")[1], expected)
    assert f"without {prefix!r}" in capsys.readouterr().err


def test_either_half_of_a_tied_pair_is_enough(folder):
    expected = load_weights(folder, require_head="masked_lm")[1]
    rename(folder, lambda name: "cls.predictions.decoder.weight" if name == TABLE else name)
    assert equal(load_weights(folder, require_head="masked_lm")[1], expected)


def test_two_models_in_one_file_are_not_guessed_between(folder):
    tensors = load_file(folder / "model.safetensors")
    both = {f"{role}.{name}": each for role in ("a", "b") for name, each in tensors.items()}
    save_file(both, folder / "model.safetensors")
    with pytest.raises(UserError, match=r"several models, under a\. and b\.;"):
        load_weights(folder)


def test_what_is_missing_is_set_beside_what_is_there(folder):
    rename(folder, lambda name: name.replace("layer.1.output.dense.w", "layer.1.output.dense.x_w"))
    with pytest.raises(UserError, match=r"dense\.weight; it has .*dense\.x_weight"):
        load_weights(folder)
    rename(folder, lambda name: name.replace("cls.predictions", "mlm"))
    with pytest.raises(UserError, match=r"cls\.predictions\.\S+ would be .*, mlm\.\S+ is here"):
        load_weights(folder, require_head="masked_lm")


def test_an_untied_decoder_that_is_missing_says_what_may_be_meant(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": False}))
    with pytest.raises(UserError, match="tie_word_embeddings is true"):
        load_weights(folder, require_head="masked_lm")


def test_surplus_rows_of_the_token_table_are_read_and_never_filled_in(teacher_folder, tmp_path):
    import shutil

    from distil_jax.pretrained import load
    from distil_jax.pretrained.fill import mask_filler

    folder = tmp_path / "m"
    shutil.copytree(teacher_folder, folder)
    tensors = load_file(folder / "model.safetensors")
    table, bias = tensors[TABLE], tensors["cls.predictions.bias"]
    tensors |= {
        TABLE: np.concatenate([table, table[:35]]),
        "cls.predictions.bias": np.concatenate([bias, np.full(35, 99, bias.dtype)]),
    }
    save_file(tensors, folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": len(table) + 35}))
    models = [load(where, require_head="masked_lm") for where in (teacher_folder, folder)]
    plain, padded = (mask_filler(model, count=3)("the [MASK] of") for model in models)
    for one, other in zip(plain.masks[0], padded.masks[0], strict=True):
        assert (one.piece, one.probability) == (other.piece, pytest.approx(other.probability))


def test_the_decoder_alone_is_enough_for_a_causal_model(hugging_face, tmp_path):
    folder = tmp_path / "gpt2"
    hugging_face("gpt2", "AutoModelForCausalLM").save_pretrained(folder)
    expected = load_weights(folder)[1]
    rename(folder, lambda name: "lm_head.weight" if name == "transformer.wte.weight" else name)
    assert equal(load_weights(folder)[1], expected)


@pytest.mark.parametrize(
    ("key", "value", "name"),
    [("num_hidden_layers", 1, "layer.1."), ("type_vocab_size", 0, "token_type_embeddings")],
)
def test_what_config_json_has_no_place_for_is_mentioned(
    folder, capsys, monkeypatch, key, value, name
):
    monkeypatch.setattr(notes, "_said", set())
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))
    load_weights(folder)
    error = capsys.readouterr().err
    assert name in error
    assert "for which its config.json has no place" in error
