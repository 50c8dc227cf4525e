"""The study of sentence embeddings: what it refuses at its start, and what a study resumes."""

import importlib
import json
import lzma
from argparse import Namespace
from pathlib import Path

import pytest

from distil_jax.errors import UsageError, UserError
from distil_jax.models import choose_layers
from distil_jax.models.block import Block
from distil_jax.pretrained.families import make_config
from distil_jax.tokenizer import load
from distil_jax.tokenizer.plain import load_plain

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("embedding_study")


@pytest.fixture
def texts(study):
    return importlib.import_module("embedding_texts")


@pytest.fixture
def data(texts, tmp_path: Path) -> Path:
    """A folder with all that a study reads, as little as that can be."""
    folder = tmp_path / "data"
    names = [texts.SENTENCES, texts.PAIRS, *texts.CORPORA, texts.HELD_OUT, *texts.SEARCH]
    names += [f"{texts.TASKS[name][0]}/{split}.jsonl" for name, split in texts.SCORED]
    for name in [*names, f"{texts.CORPUS}.xz"]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        opener = lzma.open if name.endswith(".xz") else open
        with opener(folder / name, "wt") as file:
            file.write("")
    rows = [
        {"sentence1": f"a {label}", "sentence2": "b", "label": 1, "entailment": label}
        for label in ("NEUTRAL", "CONTRADICTION", "contradiction")
    ]
    write_rows(folder / texts.SICK_TEST, rows)
    return folder


def shape(layers: int, **fields):
    return make_config("bert", 99, 8, layers, heads=2, mlp_size=16, positions=16, **fields)


def write_rows(file: Path, rows: list[dict]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize("others", [["runs/student"], ["a/minilm", "b/minilm"]])
def test_a_further_model_with_anothers_row_is_refused(study, monkeypatch, others) -> None:
    monkeypatch.setattr(study, "open_embedder", lambda name: None)
    with pytest.raises(UsageError, match=r"--other=\S+ would have the row .* otherwise$"):
        study.check_others(others)


def test_a_mistyped_further_model_is_refused_at_once(study, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="minilm-typo"):
        study.check_others([str(tmp_path / "minilm-typo")])


@pytest.mark.parametrize("layers", [2, 3, 7, 12])
def test_candidates_are_halves_that_the_teacher_can_have(study, layers: int) -> None:
    halves = importlib.import_module("embedding_layers")
    every = halves.candidates(shape(layers))
    block = Block(norm="pre", first_norm=False)
    first = halves.candidates(shape(layers, block=block))
    assert {len(one) for one in every} == {layers // 2}
    assert len(set(every)) == len(every)
    assert first == [one for one in every if one[0] == 0] != []
    assert halves.every_other(layers) == every[0]
    assert [choose_layers(layers, halves.spelt(one)) for one in every] == every


def test_a_teacher_of_one_layer_is_refused(study, monkeypatch, tmp_path: Path) -> None:
    opened = Namespace(model=Namespace(config=shape(1)))
    monkeypatch.setattr(study, "load_sentence_model", lambda name: opened)
    flags = ["--size=cpu", "--teacher=one", "--data=x", f"--output={tmp_path / 'out'}"]
    with pytest.raises(UserError, match="--teacher=one has 1 layer,"):
        study.Study(study.parser().parse_args(flags))


def test_a_search_half_written_is_written_again(study, data: Path, tmp_path: Path) -> None:
    half = Namespace(output=tmp_path / "out", data=data, size=study.SIZES["rehearsal"])
    (half.output / "long").mkdir(parents=True)
    for _ in range(2):
        study.Study.write_search(half)
        assert (half.output / "long/qrels/test.tsv").read_text().startswith("query-id")


def test_the_search_and_the_column_of_contradictions_must_be_there(texts, data: Path) -> None:
    texts.check(data)
    (data / f"{texts.CORPUS}.xz").rename(data / f"{texts.CORPUS}.gz")
    texts.check(data)
    (data / f"{texts.CORPUS}.gz").unlink()
    with pytest.raises(UserError, match=r"lacks retrieval/cranfield/corpus\.jsonl;"):
        texts.check(data)
    (data / texts.CORPUS).touch()
    write_rows(data / texts.SICK_TEST, [{"sentence1": "a", "sentence2": "b", "label": 1}])
    with pytest.raises(UserError, match=r"sick/test\.jsonl lacks the column entailment"):
        texts.check(data)


def test_too_few_texts_are_said_with_their_files(texts, data: Path) -> None:
    with pytest.raises(UserError, match=r"sentences\.jsonl\.xz: sentences are 0, and --size wants"):
        texts.learning_texts(data, 10, 0, seed=0)
    with pytest.raises(
        UserError, match=r"books-01\.txt\.xz: passages .* are 0, and --size wants 3"
    ):
        texts.learning_texts(data, 0, 3, seed=0)


def test_contradictions_are_found_in_any_case_or_have_no_number(
    study, texts, data: Path, tmp_path: Path
) -> None:
    cosine = importlib.import_module("embedding_table").contradiction_cosine
    scored = tmp_path / "out/test/student/SICK/predictions.jsonl"
    scored.parent.mkdir(parents=True)
    write_rows(scored, [{"cosine": value} for value in (0.9, 0.2, 0.4)])
    assert cosine(tmp_path / "out", data, "student") == pytest.approx(0.3)
    write_rows(data / texts.SICK_TEST, [{"label": 1}] * 3)
    assert cosine(tmp_path / "out", data, "student") is None


def test_pairs_are_one_text_each_and_no_tested_sentence_is_in_one(texts, data: Path) -> None:
    for name, pairs in {
        "rte": [("one", "two"), ("3", "4")],
        "mrpc": [("A tested one!", "5")],
    }.items():
        folder = data / texts.TASKS[name][0]
        folder.mkdir(parents=True)
        rows = [{"sentence1": one, "sentence2": other, "label": 0} for one, other in pairs]
        write_rows(folder / "train.jsonl", rows)
    tested = [{"sentence1": "a tested one", "sentence2": "x", "label": 1}]
    write_rows(data / "glue/stsb/test.jsonl", tested)
    long = "word " * texts.PASSAGE_WORDS[0]
    found = texts.texts_and_pairs(data, ["short", long], "</s></s>", seed=1)
    assert sorted(found) == sorted(["one</s></s>two", "3</s></s>4", "short", long])
    assert found == texts.texts_and_pairs(data, ["short", long], "</s></s>", seed=1)


def test_what_stands_between_the_texts_of_a_pair_is_read_as_it_is(texts, teacher_folder) -> None:
    for tokenizer in (load(teacher_folder), load_plain(teacher_folder)):
        between = texts.separator(tokenizer)
        backend = tokenizer.backend_tokenizer
        assert (
            backend.encode(f"the river{between}a city").ids
            == backend.encode("the river", "a city").ids
        )
