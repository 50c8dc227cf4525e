"""words: first sub-words of any tokenizer, in windows."""

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from distil_jax import tokenizer
from distil_jax.errors import UserError
from distil_jax.tasks import tagged, words

TEXT = "the river (was) old\tin  the city. Zebra é😀 x"


@pytest.fixture(scope="module")
def byte_level() -> PreTrainedTokenizerFast:
    """A byte-level tokenizer without merges: every byte is a token."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate(["<s>", "</s>", *alphabet])}
    backend = Tokenizer(models.BPE(vocabulary, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>")


@pytest.mark.parametrize("length", [64, 12])
@pytest.mark.parametrize("kind", ["wordpiece", "byte_level"])
def test_each_word_has_its_first_token(teacher_folder, byte_level, kind, length):
    opened = tokenizer.load(teacher_folder) if kind == "wordpiece" else byte_level
    sentence = tagged.Sentence(TEXT, tagged.split_words(TEXT))
    found = words.encode([sentence], opened, length)
    assert (found.encoded.lengths <= length).all()
    names = [opened.convert_ids_to_tokens(row.tolist()) for row in found.encoded.tokens]
    for (window, token), (first, last) in zip(found.places[0], sentence.words, strict=True):
        word = TEXT[first:last]
        piece = names[window][token]
        if kind == "wordpiece":
            assert piece == "[UNK]" or word.lower().startswith(piece), (word, piece)
        else:
            assert opened.convert_tokens_to_string([piece]) in (word[0], "\ufffd")
    assert found.strided == (len(found.encoded) > 1)


def test_outputs_come_back_by_word_and_lost_words_are_nan(teacher_folder):
    opened = tokenizer.load(teacher_folder)
    text = "the \u200b city"
    sentence = tagged.Sentence(text, np.asarray([[0, 3], [4, 5], [6, 10]], np.int32))
    found = words.encode([sentence], opened, 16)
    outputs = [
        np.arange(len(row) * 2, dtype=np.float32).reshape(-1, 2) for row in found.encoded.tokens
    ]
    assert found.lost == 1
    rows = found.of_words(outputs, 0)
    assert rows[0].tolist() == [2, 3]
    assert np.isnan(rows[1]).all()
    assert rows[2].tolist() == [4, 5]
    with pytest.raises(UserError, match="leaves no token for a word"):
        words.encode([sentence], opened, 2)
