import numpy as np
import pytest

from distil_jax import tokenizer
from distil_jax.data import sequences
from distil_jax.data.sequences import Dropped, Rule
from distil_jax.tokenizer.wordpiece import SPECIAL_TOKENS, bert_tokenizer

WORDS = [chr(97 + n) for n in range(26)]
CLS, SEP, UNK = 2, 3, 1


@pytest.fixture
def letters():
    return bert_tokenizer({p: i for i, p in enumerate((*SPECIAL_TOKENS, *WORDS))}, lowercase=True)


def made(letters, documents: list[str], rule: Rule) -> tuple[list[list[int]], Dropped]:
    dropped = Dropped()
    backend = sequences.bare_backend(letters)
    special = tokenizer.special_ids(letters)
    found = sequences.make(documents, backend, special, rule, dropped)
    assert all(sequence.dtype == np.int32 for sequence in found)
    return [sequence.tolist() for sequence in found], dropped


def test_a_long_line_is_cut_and_wrapped_again(letters):
    line = " ".join(WORDS)
    found, dropped = made(letters, [line], Rule(length=12, shortest_tokens=3))
    assert [len(sequence) for sequence in found] == [12, 12, 8]
    assert all(sequence[0] == CLS and sequence[-1] == SEP for sequence in found)
    assert [token for sequence in found for token in sequence[1:-1]] == list(range(5, 31))
    assert dropped == Dropped()


def test_a_line_that_just_fits_is_not_cut(letters):
    found, _ = made(letters, ["a b c d e f g h i j"], Rule(length=12))
    assert [len(sequence) for sequence in found] == [12]


def test_lines_run_on_within_a_document_only(letters):
    found, _ = made(letters, ["a b\nc\n\nd e", "f g"], Rule(length=6, shortest_tokens=3))
    assert found == [[CLS, 5, 6, 7, 8, SEP], [CLS, 9, SEP], [CLS, 10, 11, SEP]]


def test_drop_rule_of_the_original(letters):
    eleven, twelve = " ".join(WORDS[:9]), " ".join(WORDS[:10])
    half = " ".join([*WORDS[:4], *["?"] * 6])
    most = " ".join([*WORDS[:5], *["?"] * 5])
    found, dropped = made(letters, [eleven, twelve, half, most, ""], Rule(length=20))
    assert [len(sequence) for sequence in found] == [12, 12]
    assert found[1].count(UNK) == 5
    assert dropped == Dropped(short=1, unknown=1)


def test_truncation_and_padding_set_before_do_nothing(letters):
    letters("a b c", truncation=True, max_length=4, padding="max_length")
    found, _ = made(letters, [" ".join(WORDS)], Rule(length=40))
    assert len(found[0]) == 28


def test_many_documents_keep_their_order(letters, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sequences, "BATCH_CHARACTERS", 50)
    documents = [" ".join(WORDS[n % 20 :][:6]) for n in range(200)]
    found, _ = made(letters, documents, Rule(length=16, shortest_tokens=3))
    assert [sequence[1] for sequence in found] == [5 + n % 20 for n in range(200)]


def test_an_over_long_line_is_tokenised_in_pieces_with_the_same_tokens(
    letters, monkeypatch: pytest.MonkeyPatch
):
    documents = [" ".join(WORDS * 9), "", "a", "\n".join(WORDS), " ".join(WORDS[:8])]
    rule = Rule(length=10, shortest_tokens=3)
    whole = made(letters, documents, rule)
    for longest, batch in ((7, 1), (20, 50), (1, 1)):
        monkeypatch.setattr(sequences, "LONGEST_PIECE", longest)
        monkeypatch.setattr(sequences, "BATCH_CHARACTERS", batch)
        assert made(letters, documents, rule) == whole
    assert {len(sequence) for sequence in whole[0]} == {10, 4, 3}


def test_pieces_of_a_line_join_to_the_line_and_begin_with_its_blanks(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(sequences, "LONGEST_PIECE", 6)
    line = "ab cd ef  g " + "x" * 20
    pieces = list(sequences._short(line))
    assert "".join(pieces) == line
    assert pieces[:3] == ["ab cd", " ef ", " g"]
