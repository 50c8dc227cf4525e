"""conll: columns as files have them."""

import gzip

import pytest

from distil_jax.errors import UserError
from distil_jax.tasks import conll


def read(tmp_path, text, name="a.conll", **options):
    path = tmp_path / name
    path.write_bytes(text.encode())
    return [(row["tokens"], row.get("tags")) for row in conll.records(path, **options)]


@pytest.mark.parametrize(
    "text",
    [
        "EU B-ORG\nrejects O\n\n# 1\nNow O\n",
        "EU B-ORG\r\nrejects O\r\n\r\nNow O",
        "\n\n-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nrejects VB I-VP O\n  \nNow RB O O\n\n\n",
        "# sent_id = 1\nEU\tB-ORG\nrejects\tO\n\t\n# sent_id = 2\nNow\tO\n",
        "1\tEU\tB-ORG\n2\trejects\tO\n\n1\tNow\tO",
        "EU _ _ B-ORG\nrejects _ _ O\n\n# id 7\tdomain=en\nNow _ _ O",
    ],
)
def test_columns_of_every_make(tmp_path, text):
    expected = [(["EU", "rejects"], ["B-ORG", "O"]), (["Now"], ["O"])]
    assert read(tmp_path, text) == expected


def test_a_hash_may_be_a_word_and_words_may_have_no_tags(tmp_path):
    assert read(tmp_path, "#\tO\nx\tO\n") == [(["#", "x"], ["O", "O"])]
    assert read(tmp_path, "a\nb\n\nc\n") == [(["a", "b"], None), (["c"], None)]


def test_a_number_alone_is_a_word_and_what_counts_the_words_is_of_the_file(tmp_path):
    expected = [(["1"], ["O"]), (["EU", "1"], ["B-ORG", "O"])]
    assert read(tmp_path, "1 CD O\n\nEU NNP B-ORG\n1 CD O\n") == expected
    several = "1\tEl\tO\n\n1-2\tdel\tO\n1\tde\tO\n2\tel\tO\n2.1\tmar\tO\n\n1\t2\tO\n"
    assert [tokens for tokens, _ in read(tmp_path, several)] == [["El"], ["de", "el"], ["2"]]
    assert read(tmp_path, "8.1 O\n1-2 O\n") == [(["8.1", "1-2"], ["O", "O"])]
    assert read(tmp_path, "1\n2\n") == [(["1", "2"], None)]


def test_white_space_of_other_kinds_is_of_a_word(tmp_path):
    expected = [(["10\u00a0000", "\u3000"], ["B-X", "O"])]
    assert read(tmp_path, "10\u00a0000 B-X\n\u3000 O\n") == expected
    assert read(tmp_path, "10\u00a0000\tB-X\n\u3000\tO\n") == expected


def test_columns_are_chosen_by_number(tmp_path):
    rows = read(tmp_path, "x EU B-ORG B-MISC\n", column="2", tag="3")
    assert rows == [(["EU"], ["B-ORG"])]
    with pytest.raises(UserError, match=r"1 to 4; '5' is none"):
        read(tmp_path, "x EU B-ORG B-MISC\n", tag="5")


def test_a_line_with_other_columns_is_named(tmp_path):
    with pytest.raises(UserError, match=r"a.conll line 2 has 1 columns, the lines before it 2"):
        read(tmp_path, "EU B-ORG\nrejects\n")


def test_compressed_and_missing(tmp_path):
    (tmp_path / "a.conll.gz").write_bytes(gzip.compress(b"EU O\n"))
    assert next(conll.records(tmp_path / "a.conll.gz"))["tokens"] == ["EU"]
    with pytest.raises(UserError, match="does not exist"):
        next(conll.records(tmp_path / "none.conll"))


@pytest.mark.parametrize(
    ("name", "text", "columns"),
    [
        ("a.tsv", "EU\tB-ORG\n", True),
        ("a.tsv", "tokens\ttags\n", False),
        ("eng.train", "EU O\n", True),
        ("a.jsonl", "{}", False),
        ("a.txt", "EU O", True),
    ],
)
def test_which_files_hold_columns(tmp_path, name, text, columns):
    (tmp_path / name).write_text(text)
    assert conll.is_columns(tmp_path / name) is columns


def test_another_encoding_is_named(tmp_path):
    path = tmp_path / "a.conll"
    path.write_bytes("EU B-ORG\nrejects O\n".encode("utf-16"))
    with pytest.raises(UserError, match=r"a\.conll is in UTF-16"):
        list(conll.records(path))
