"""Each sequence of prepared rows leads to its own text."""

import numpy as np
import pytest

from distil_jax.data.records import PAIR
from distil_jax.data.segment_texts import pair_texts, segment_texts, sequence_key
from distil_jax.data.sequences import Dropped, Rule, bare_backend, make, make_pairs
from distil_jax.tokenizer import load, special_ids

LONG = " ".join(["The old river was in the city, 1905."] * 5)
DOCUMENTS = ["the old river", f"one line\n\n{LONG}\nthe END", LONG, "Is it?"]


@pytest.fixture(scope="module")
def tokenizer(teacher_folder):
    return load(str(teacher_folder))


def test_every_sequence_is_found_and_texts_tokenise_to_it(tokenizer):
    backend, special = bare_backend(tokenizer), special_ids(tokenizer)
    made = make(DOCUMENTS, backend, special, Rule(24, shortest_tokens=1), Dropped())
    found = list(segment_texts(DOCUMENTS, tokenizer, length=24))
    assert [key for key, _ in found] == [sequence_key(tokens) for tokens in made]
    assert len(found) > len(DOCUMENTS)
    for tokens, (_, text) in zip(made, found, strict=True):
        lines = [backend.encode(line, add_special_tokens=False) for line in text.split("\n")]
        ids = [token for line in lines for token in line.ids]
        # A word that is cut in two begins anew, and only it.
        assert sum(a != b for a, b in zip(ids, tokens[1:-1], strict=False)) <= 1
    assert found[0][1] == "the old river"
    assert found[-1][1] == "Is it?"


def test_both_texts_of_a_pair_are_found(tokenizer):
    backend, special = bare_backend(tokenizer), special_ids(tokenizer)
    pairs = [f"the river{PAIR}{LONG}", f"{LONG}{PAIR}is"]
    made = make_pairs(pairs, backend, special, Rule(24, shortest_tokens=1), Dropped())
    found = dict(segment_texts(pairs, tokenizer, length=24))
    assert {sequence_key(tokens) for tokens in made} <= found.keys()
    assert found[sequence_key(made[0])] == "the river"
    assert LONG.startswith(found[sequence_key(made[1])])
    assert np.all([len(tokens) <= 12 for tokens in made])
    together = dict(pair_texts([*pairs, f"{PAIR}a"], tokenizer, length=24))
    for number, pair in enumerate(pairs):
        key = sequence_key(np.concatenate(made[2 * number : 2 * number + 2]))
        assert together[key] == tuple(pair.split(PAIR))
