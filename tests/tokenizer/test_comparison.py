"""Tokenizers of the same size that number texts in other ways."""

import json
import shutil

from distil_jax import tokenizer


def changed(folder, place, change):
    shutil.copytree(folder, place)
    file = place / "tokenizer.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    return tokenizer.load(place)


def swap(content):
    vocabulary = content["model"]["vocab"]
    vocabulary["city"], vocabulary["river"] = vocabulary["river"], vocabulary["city"]


def test_the_first_other_token_is_named(teacher_folder, tmp_path):
    first = tokenizer.load(teacher_folder)
    second = changed(teacher_folder, tmp_path / "b", swap)
    number = min(first.convert_tokens_to_ids(["city", "river"]))
    assert tokenizer.difference(first, tokenizer.load(teacher_folder)) == ""
    assert tokenizer.difference(first, second).startswith(f"token {number} is ")
