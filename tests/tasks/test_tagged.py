"""tagged: tokens with tags and texts with spans, and what is refused by file and row."""

import pytest

from distil_jax import notes, tokenizer
from distil_jax.errors import UserError
from distil_jax.tasks import tagged
from distil_jax.tasks.kind import DataRequest
from distil_jax.tasks.named import TASKS
from distil_jax.tasks.sources import Source
from distil_jax.tasks.tag_schemes import Entity
from distil_jax.tasks.tokens import TOKENS


def read(*rows, columns=(), label="", labelled=True):
    return tagged.read(iter(rows), "f.jsonl", columns=columns, label=label, labelled=labelled)


@pytest.mark.parametrize(
    "row",
    [
        {"tokens": ["New", "York", "wins"], "tags": ["B-LOC", "I-LOC", "O"]},
        {"words": ["New", "York", "wins"], "ner_tags": ["B-LOC", "E-LOC", "O"]},
        {"tokens": "['New', 'York', 'wins']", "tags": '["B-LOC", "I-LOC", "O"]'},
        {"tokens": "['New' 'York'\n 'wins']", "tags": "['B-LOC' 'I-LOC' 'O']"},
        {"tokens": "New York wins", "tags": "I-LOC I-LOC O"},
        {"tokens": "New York wins", "tags": "I-LOC E-LOC O"},
        {"tokens": ["New", "York", "wins"], "tags": ["LOC", "LOC", "O"]},
        {"text": "New York wins", "entities": [{"start": 0, "end": 8, "label": "LOC"}]},
        {"text": "New York wins", "spans": [{"start": 0, "end": 9, "type": "LOC"}]},
        {"text": "New York wins", "label": [[0, 8, "LOC"]]},
        {"text": "New York wins", "spans": [[0, 8, "LOC"]], "tokens": [{"text": "New", "id": 0}]},
        {"text": "New York wins", "labels": [{"start": 0, "end": 8, "labels": ["LOC"]}]},
    ],
)
def test_one_sentence_in_many_shapes(row):
    (sentence,) = read(row).rows
    assert sentence.text == "New York wins"
    assert sentence.words.tolist() == [[0, 3], [4, 8], [9, 13]]
    assert sentence.entities == (Entity(0, 2, "LOC"),)


def test_a_table_of_one_label_a_text_is_none_of_entities():
    message = r"f.jsonl: label is one value a row \(1\), and entities need a list.*=classification"
    with pytest.raises(UserError, match=message):
        read({"sentence": "a fine film", "label": 1})


def test_an_entity_inside_a_word_cuts_it():
    (sentence,) = read({"text": "pre中国x", "entities": [[1, 4, "A"]]}).rows
    words = [sentence.text[first:last] for first, last in sentence.words]
    assert words == ["p", "re", "中", "国", "x"]
    assert sentence.entities == (Entity(1, 3, "A"),)


def test_types_alone_are_tags_only_where_no_row_has_a_prefix():
    plain = {"tokens": ["a", "b"], "tags": ["LOC", "O"]}
    with pytest.raises(UserError, match=r"row 0: tag 'LOC' of token 0 is outside BIO"):
        read(plain, {"tokens": ["a"], "tags": ["B-LOC"]})
    rows = read({"tokens": ["a"], "tags": ["PER"]}, plain).rows
    assert [row.entities for row in rows] == [(Entity(0, 1, "PER"),), (Entity(0, 1, "LOC"),)]


def test_columns_of_ones_own_and_no_labels():
    rows = read({"w": ["a"], "t": ["B-X"]}, columns=("w",), label="t").rows
    assert rows[0].entities == (Entity(0, 1, "X"),)
    assert not read({"tokens": ["a"]}, labelled=False).labelled


GOOD = {"tokens": ["a", "b"], "tags": ["O", "O"]}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"tokens": ["a", "b"], "tags": ["O"]}, r"row 1 has 2 tokens and 1 tags"),
        ({"tokens": ["a", "b"], "tags": ["B-X", "PER"]}, r"row 1: tag 'PER' of token 1 is outside"),
        ({"tokens": ["a"], "tags": ["3"]}, r"row 1: tag '3' of token 0 is outside .*numbered tags"),
        ({"tokens": [], "tags": []}, r"row 1 has no tokens"),
        ({"tokens": [["a"]], "tags": ["O"]}, r"row 1: tokens holds \['a'\]"),
        ({"tokens": 3, "tags": ["O"]}, r"row 1: tokens holds int, not a list"),
    ],
)
def test_bad_tags_name_file_and_row(row, message):
    with pytest.raises(UserError, match=r"f\.jsonl " + message):
        read(GOOD, row)


@pytest.mark.parametrize("row", [{"tokens": ["a"]}, {"tokens": ["a"], "tags": []}])
def test_rows_without_tags_are_left_out_and_counted(row, capsys, monkeypatch):
    monkeypatch.setattr(notes, "_said", set())
    found = read(GOOD, row, GOOD)
    assert (found.ids, len(found.rows), found.left_out) == (("0", "2"), 2, 1)
    assert "f.jsonl: 1 of 3 rows have no label and are left out" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"f\.jsonl has no labels: tags is None in row 0"):
        read({"tokens": ["a"], "tags": None})


def test_broken_bioes_names_its_row():
    broken = {"tokens": ["a", "b"], "tags": ["B-X", "O"]}
    assert read(GOOD, broken).rows  # BIO
    single = {"tokens": ["a"], "tags": ["S-X"]}
    with pytest.raises(UserError, match=r"row 1: tag 'O' of token 1 breaks an entity"):
        read(single, broken)


@pytest.mark.parametrize(
    ("span", "message"),
    [
        ({"start": 0, "end": 99, "label": "A"}, r"from 0 to 99 holds nothing of its text of 7"),
        ({"start": 2, "end": 2, "label": "A"}, r"from 2 to 2 holds nothing"),
        ({"start": "0", "end": 2, "label": "A"}, r"is no entity; give it start, end and label"),
        ({"start": 0, "end": 2}, r"is no entity"),
        ("A", r"is no entity"),
        ({"start": 0, "end": 2, "label": "A", "text": "xx"}, r"is 'ab', not 'xx'"),
    ],
)
def test_bad_spans_name_file_and_row(span, message):
    with pytest.raises(UserError, match=r"f\.jsonl row 0: .*" + message):
        read({"text": "ab cdef", "entities": [span]})


def test_overlapping_spans_and_missing_columns():
    with pytest.raises(UserError, match=r"row 0: the entities A and B overlap at character 1"):
        read({"text": "ab cd", "entities": [[0, 2, "A"], [1, 5, "B"]]})
    with pytest.raises(UserError, match=r"no column of tags .* it has , tokens \(--label\)"):
        read({"": 0, "tokens": ["a"]})  # pandas' index
    with pytest.raises(UserError, match=r"no column of tags .* it has tokens \(--label\)"):
        read({"tokens": ["a"]})
    with pytest.raises(UserError, match=r"has no rows"):
        read()


@pytest.mark.parametrize("saved", ["parquet", "folder"])
def test_numbered_tags_of_datasets_have_the_names_that_it_wrote(tmp_path, teacher_folder, saved):
    import datasets

    datasets.disable_progress_bars()
    tag = datasets.ClassLabel(names=["O", "B-PER", "I-PER"])
    features = {
        "tokens": [datasets.Value("string")],
        "ner_tags": [tag],
        "id": datasets.Value("int8"),
    }
    rows = datasets.Dataset.from_dict(
        {"tokens": [["old", "Ada", "L"], ["in"]], "ner_tags": [[0, 1, 2], [0]], "id": [0, 1]},
        features=datasets.Features(features),
    )
    if saved == "folder":
        datasets.DatasetDict({"train": rows, "validation": rows}).save_to_disk(tmp_path)
    for split in ("train", "validation") if saved == "parquet" else ():
        rows.to_parquet(tmp_path / f"{split}.parquet")
    request = DataRequest(Source(str(tmp_path)), (), "", (), 32, 8, training=True)
    data = TOKENS.data(TASKS["ner"], request, tokenizer.load(teacher_folder))
    assert data.labels == ("O", "B-PER", "I-PER")
    assert data.validation[0].answers == [[[1, 3, "PER"]], []]


def test_a_number_without_a_name_is_no_tag():
    with pytest.raises(
        UserError, match=r"tag '3' of token 1 is outside BIO.*names of numbered tags"
    ):
        tagged.read(
            [{"tokens": ["a", "b"], "tags": [0, 3]}],
            "f",
            columns=(),
            label="",
            labelled=True,
            names={"tags": ["O", "B-X"]},
        )
