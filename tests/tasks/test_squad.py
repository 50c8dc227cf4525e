"""Windows over contexts, where answers stand in them, and finding them again."""

import json

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import Unigram
from tokenizers.pre_tokenizers import Metaspace
from transformers import PreTrainedTokenizerFast

from distil_jax import tokenizer
from distil_jax.errors import UserError
from distil_jax.tasks import squad
from distil_jax.tasks.windows import best_answers, cut, token_spans

CONTEXT = "the old river was in the city and the city is old. " * 4
ANSWER = "city is old"


@pytest.fixture(scope="module")
def tiny(teacher_folder):
    return tokenizer.load(teacher_folder)


def record(context: str = CONTEXT, answer: str = ANSWER) -> dict:
    start = context.rindex(answer)
    return {
        "id": "q",
        "question": "the city",
        "context": context,
        "answers": {"text": [answer], "answer_start": [start]},
    }


@pytest.mark.parametrize("length", [20, 32, 64])
def test_the_answer_is_found_again_through_the_windows(tiny, length):
    questions = squad.read([record()], "test")
    windows = cut(questions.questions, questions.contexts, tiny, length=length, stride=8)
    assert max(windows.encoded.lengths) <= length
    assert windows.strided == int(len(windows.question) > 1)
    starts, ends = token_spans(windows, questions)
    assert (starts > 0).any()
    logits = []
    for start, end, offsets in zip(starts, ends, windows.offsets, strict=True):
        scores = np.zeros((len(offsets), 2), np.float32)
        scores[start, 0] = scores[end, 1] = 5.0 if start else 0.0
        logits.append(scores)
    (found,) = best_answers(windows, questions.contexts, logits)
    assert found.text == ANSWER
    assert CONTEXT[found.start : found.end] == ANSWER
    assert found.start == CONTEXT.rindex(ANSWER)


def test_an_answer_neither_ends_before_it_starts_nor_leaves_the_context(tiny):
    windows = cut(["the city"], ["old river was"], tiny, length=32, stride=8)
    scores = np.zeros((len(windows.encoded.tokens[0]), 2), np.float32)
    scores[1] = 99.0  # a token of the question
    inside = np.flatnonzero(windows.offsets[0][:, 0] >= 0)
    scores[inside, 0] = [1.0, 2.0, 3.0]
    scores[inside, 1] = [9.0, 2.0, 1.0]
    (found,) = best_answers(windows, ["old river was"], [scores])
    assert found.text == "old"  # 1 + 9, where 3 + 9 would run backwards


def test_an_answer_has_no_white_space_around_it():
    """A token of SentencePiece's begins with the space before its word."""
    pieces = [("<unk>", 0.0), *((f"\u2581{word}", -1.0) for word in ("the", "old", "river", "was"))]
    backend = Tokenizer(Unigram(pieces, unk_id=0))
    backend.pre_tokenizer = Metaspace()
    unigram = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>")
    windows = cut(["the"], ["the old river was"], unigram, length=32, stride=8)
    scores = np.zeros((len(windows.encoded.tokens[0]), 2), np.float32)
    inside = np.flatnonzero(windows.offsets[0][:, 0] >= 0)
    scores[inside[1], 0] = scores[inside[2], 1] = 5.0
    (found,) = best_answers(windows, ["the old river was"], [scores])
    assert (found.text, found.start, found.end) == ("old river", 4, 13)


def test_a_question_longer_than_a_window_is_cut(tiny):
    windows = cut(["the river " * 100], [CONTEXT], tiny, length=24, stride=8)
    assert windows.encoded.truncated == 1
    assert all((offsets[:, 0] >= 0).any() for offsets in windows.offsets)


def test_unanswerable_questions_are_counted_and_faults_named():
    both = squad.read([record(), record() | {"answers": {"text": [], "answer_start": []}}], "f")
    assert (len(both), both.unanswerable) == (1, 1)
    with pytest.raises(UserError, match="f question 0 has no context"):
        squad.read([{"question": "x", "answers": []}], "f")
    with pytest.raises(UserError, match="has not the answer"):
        squad.read([record() | {"answers": {"text": ["city"], "answer_start": [1]}}], "f")
    with pytest.raises(UserError, match="no question with an answer"):
        squad.read([], "f")
    with pytest.raises(UserError, match="not in SQuAD's format"):
        list(squad.flatten({"data": [{"paragraphs": [{"qas": []}, {}]}]}, "f"))


def test_answers_that_a_table_holds_as_text():
    answers = record()["answers"]
    for written in (str(answers), json.dumps(answers)):
        assert squad.read([record() | {"answers": written}], "f") == squad.read([record()], "f")
    with pytest.raises(UserError, match=r"question 0 has answers without .*, 'city'; give both"):
        squad.read([record() | {"answers": "city"}], "f")


def test_flattening_keeps_every_question():
    paragraph = {"context": "c", "qas": [{"id": "1"}, {"id": "2"}]}
    found = list(squad.flatten({"data": [{"paragraphs": [paragraph, paragraph]}]}, "f"))
    assert [row["id"] for row in found] == ["1", "2", "1", "2"]
    assert all(row["context"] == "c" for row in found)


@pytest.mark.parametrize("answer", ["river ", " river", "\u00adriver", "river\u200b", " river \n"])
def test_an_answer_may_begin_and_end_in_characters_of_no_token(tiny, answer):
    context = f"the old {answer} was"
    asked = record(context=context, answer=answer)
    questions = squad.read([asked], "test")
    windows = cut(questions.questions, questions.contexts, tiny, length=32, stride=8)
    (start,), (end,) = token_spans(windows, questions)
    tokens = [windows.encoded.tokens[0][place] for place in (start, end)]
    assert start == end > 0
    assert tiny.convert_ids_to_tokens([int(token) for token in tokens]) == ["river"] * 2


def test_an_answer_that_a_window_cuts_is_not_in_it(tiny):
    words = "old river was in the city and the city is old the river of the city " * 3
    first = words.index("city is old the river")
    asked = record(context=words, answer="city is old the river")
    asked["answers"]["answer_start"] = [first]
    questions = squad.read([asked], "test")
    windows = cut(questions.questions, questions.contexts, tiny, length=20, stride=8)
    starts, ends = token_spans(windows, questions)
    for start, end, offsets in zip(starts, ends, windows.offsets, strict=True):
        inside = offsets[offsets[:, 0] >= 0]
        whole = inside[0, 0] <= first and inside[-1, 1] >= first + len("city is old the river")
        assert (start > 0) == whole
        if whole:
            assert words[offsets[start, 0] : offsets[end, 1]] == "city is old the river"


@pytest.mark.parametrize("length", [8, 9, 12])
def test_the_shortest_windows_hold_some_context(tiny, length):
    questions = squad.read([record()], "test")
    windows = cut(questions.questions, questions.contexts, tiny, length=length, stride=128)
    assert max(windows.encoded.lengths) <= length
    assert all((offsets[:, 0] >= 0).any() for offsets in windows.offsets)
