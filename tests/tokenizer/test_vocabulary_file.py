"""What a vocab.txt and the files beside it imply."""

import json
from pathlib import Path

import pytest

from distil_jax import tokenizer
from distil_jax.errors import UserError
from distil_jax.tokenizer.wordpiece import SPECIAL_TOKENS

LOWER = [*SPECIAL_TOKENS, "the", "river", "##s"]
CASED = [*LOWER, "The", "River", "London"]


def folder(place: Path, pieces=LOWER, **files: object) -> Path:
    (place / "vocab.txt").write_text("\n".join(pieces) + "\n")
    for name, content in files.items():
        (place / f"{name}.json").write_text(json.dumps(content))
    return place


@pytest.mark.parametrize("files", [{}, {"tokenizer_config": {"tokenizer_class": "BertTokenizer"}}])
@pytest.mark.parametrize(
    ("pieces", "shown"), [(CASED, "upper case (The"), ([*LOWER, "café"], "accents (café")]
)
def test_lower_case_by_default_is_mentioned_where_the_pieces_have_case(
    tmp_path, capsys, pieces, shown, files
):
    assert tokenizer.load(folder(tmp_path, pieces, **files)).tokenize("The river") == [
        "the",
        "river",
    ]
    said = capsys.readouterr().err
    assert shown in said
    assert "do_lower_case" in said


def test_what_is_said_is_not_mentioned(tmp_path, capsys):
    opened = tokenizer.load(folder(tmp_path, CASED, tokenizer_config={"do_lower_case": False}))
    assert opened.tokenize("The river") == ["The", "river"]
    tokenizer.load(folder(tmp_path, LOWER))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "change", [lambda text: "\ufeff" + text, lambda text: text.replace("\n", "\r\n")]
)
def test_marks_and_line_ends_are_no_pieces(tmp_path, change):
    (tmp_path / "vocab.txt").write_bytes(change("\n".join(LOWER) + "\n").encode())
    assert tokenizer.load(tmp_path).get_vocab() == {piece: n for n, piece in enumerate(LOWER)}


def test_added_tokens_are_read_under_their_numbers(tmp_path):
    files = {
        "added_tokens": {"[E1]": len(LOWER), "city": len(LOWER) + 1},
        "special_tokens_map": {"mask_token": {"content": "[MASK]"}},
    }
    opened = tokenizer.load(folder(tmp_path, **files))
    assert opened.convert_tokens_to_ids(["[E1]", "city"]) == [len(LOWER), len(LOWER) + 1]
    assert opened.tokenize("the city") == ["the", "city"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"added_tokens": {"[E1]": 99}}, r"added_tokens\.json gives '\[E1\]' the number 99"),
        ({"special_tokens_map": {"mask_token": "<mask>"}}, "names '<mask>' as mask_token"),
        ({"tokenizer_config": {"cls_token": "<s>"}}, "names '<s>' as cls_token"),
        ({"tokenizer_config": {"word_tokenizer_type": "mecab"}}, "cuts words by mecab"),
        ({"tokenizer_config": {"tokenizer_class": "BertJapaneseTokenizer"}}, "not read"),
        ({"tokenizer_config": {"do_basic_tokenize": False}}, "do_basic_tokenize false"),
        ({"special_tokens_map": []}, "not a JSON object"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path, files, message):
    with pytest.raises(UserError, match=message):
        tokenizer.load(folder(tmp_path, **files))


@pytest.mark.parametrize("other", ["bpe.codes", "merges.txt", "spiece.model"])
def test_another_models_file_beside_the_vocabulary_is_refused(tmp_path, other):
    (folder(tmp_path) / other).write_text("a b\n")
    with pytest.raises(UserError, match=f"has {other} beside vocab.txt"):
        tokenizer.load(tmp_path)


@pytest.mark.parametrize("name", ["vocab.txt", "vocab.json", "added_tokens.json"])
def test_a_file_that_disagrees_with_tokenizer_json_is_mentioned(tmp_path, capsys, name):
    opened = tokenizer.load(folder(tmp_path))
    tokenizer.save(tmp_path / "saved", opened)
    tokenizer.load(tmp_path / "saved")
    assert not capsys.readouterr().err
    swapped = [*LOWER[:-2], "##s", "river"]
    content = json.dumps({piece: number for number, piece in enumerate(swapped)})
    (tmp_path / "saved" / name).write_text("\n".join(swapped) if name == "vocab.txt" else content)
    tokenizer.load(tmp_path / "saved")
    assert f"{name} gives '##s' the number 6, the tokenizer as it is" in capsys.readouterr().err


@pytest.mark.parametrize("ending", ["\n", "\n\n"])
def test_empty_lines_at_a_vocabularys_end_are_no_difference(tmp_path, capsys, ending):
    tokenizer.save(tmp_path, tokenizer.load(folder(tmp_path)))
    (tmp_path / "vocab.txt").write_text("\n".join(LOWER) + ending)
    tokenizer.load(tmp_path)
    assert not capsys.readouterr().err
