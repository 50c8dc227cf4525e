import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from distil_jax import tokenizer
from distil_jax.errors import UserError

TEXT = [
    *[inspect.getdoc(thing) for thing in (open, sorted, str.split, dict.update)],
    *["the river runs through the old city and the new city", "naïve Ångström"] * 8,
]
# The trainer's hash maps are seeded per process, so repeats inside one process prove nothing.
TRAIN = """
import hashlib
from distil_jax import tokenizer
words = [str(n * n) + chr(97 + n % 26) * (n % 5) for n in range(100)]
text = [" ".join(words[i : i + 40]) for i in range(60)]
trained = tokenizer.train_wordpiece(lambda: text, 300)
print(hashlib.sha256(repr(sorted(trained.get_vocab().items())).encode()).hexdigest())
"""


def test_size_and_special_tokens_come_first():
    trained = tokenizer.train_wordpiece(lambda: TEXT, 256)
    assert len(trained) == 256
    assert trained.convert_ids_to_tokens(range(5)) == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def test_text_becomes_pieces_without_unknown_ones():
    trained = tokenizer.train_wordpiece(lambda: TEXT, 256)
    assert trained.tokenize("The River") == ["the", "river"]
    ids = trained("angstrom naive city")["input_ids"]
    assert trained.unk_token_id not in ids
    assert (ids[0], ids[-1]) == (trained.cls_token_id, trained.sep_token_id)
    assert trained.decode(ids[1:-1]) == "angstrom naive city"


def test_case_is_kept_on_request():
    trained = tokenizer.train_wordpiece(lambda: [*TEXT, "The City " * 9], 256, lowercase=False)
    assert "T" in trained.get_vocab()
    assert trained.tokenize("The") != trained.tokenize("the")


def test_same_vocabulary_in_every_process():
    digests = {
        subprocess.run([sys.executable, "-c", TRAIN], capture_output=True, check=True).stdout
        for _ in range(3)
    }
    assert len(digests) == 1


def test_punctuation_takes_no_inner_piece():
    assert "##," not in tokenizer.train_wordpiece(lambda: TEXT, 256).get_vocab()


@pytest.mark.parametrize(
    ("texts", "size", "message"),
    [([], 200, "no text"), (["a b c"], 5000, "yields only"), (TEXT, 10, "too small")],
)
def test_impossible_training_is_refused(texts: list[str], size: int, message: str):
    with pytest.raises(UserError, match=message):
        tokenizer.train_wordpiece(lambda: texts, size)


def test_a_size_that_is_advised_can_be_had():
    advised = 0
    for texts in (TEXT, ["the old river is in the city"] * 3, ["a b c d e f g"] * 2):
        with pytest.raises(UserError, match="yields only") as raised:
            tokenizer.train_wordpiece(lambda texts=texts: texts, 5000)
        if found := re.search(r"or --size=(\d+)$", str(raised.value)):
            assert len(tokenizer.train_wordpiece(lambda texts=texts: texts, int(found[1]))) > 0
            advised += 1
    assert advised


def test_opens_as_a_bert_tokenizer(tmp_path: Path):
    from transformers import AutoTokenizer

    trained = tokenizer.train_wordpiece(lambda: TEXT, 256)
    tokenizer.save(tmp_path, trained)
    opened = AutoTokenizer.from_pretrained(str(tmp_path))
    assert opened.is_fast
    assert type(opened).__name__.startswith("Bert")
    assert opened("the old river", "and city") == trained("the old river", "and city")
    assert opened("a", "b")["token_type_ids"] == [0, 0, 0, 1, 1]
