"""Smaller WordPiece, BPE and Unigram vocabularies: kept words read as before."""

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors, trainers
from tokenizers import models as algorithms
from transformers import PreTrainedTokenizerFast

from distil_jax.data.token_counts import count_tokens, unchanged_share
from distil_jax.errors import UserError
from distil_jax.tokenizer import load, save
from distil_jax.tokenizer.merges import made_of
from distil_jax.tokenizer.renumbering import with_tokens
from distil_jax.tokenizer.vocabulary_choice import frequent_tokens, listed_tokens

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
WORDS = ["river", "rivers", "riverside", "stone", "stones", "stonework", "light", "lighthouse"]
TEXTS = [f"{a} {b}, naïve {a}{b} {n}" for n, a in enumerate(WORDS) for b in WORDS]


def byte_pairs():
    tokenizer = Tokenizer(algorithms.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=380, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    return tokenizer, trainer, 310


def unigram():
    tokenizer = Tokenizer(algorithms.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=90, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False
    )
    return tokenizer, trainer, 55


def word_pieces():
    tokenizer = Tokenizer(algorithms.WordPiece(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=130, special_tokens=SPECIAL, show_progress=False)
    return tokenizer, trainer, 90


@pytest.fixture(scope="module", params=[byte_pairs, unigram, word_pieces])
def trained(request):
    tokenizer, trainer, size = request.param()
    tokenizer.train_from_iterator(TEXTS, trainer)
    begin, end = (tokenizer.token_to_id(token) for token in ("<s>", "</s>"))
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", end), ("<s>", begin))
    if request.param is unigram:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>",
            pair="<s> $A </s> </s> $B </s>",
            special_tokens=[("<s>", begin), ("</s>", end)],
        )
    named = dict(zip(("cls", "pad", "sep", "unk", "mask"), SPECIAL, strict=True))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, **{f"{name}_token": token for name, token in named.items()}
    )
    return fast, size


@pytest.fixture(scope="module")
def cut(trained):
    whole, size = trained
    kept = frequent_tokens(whole, count_tokens(whole, TEXTS), size)
    return whole, kept, with_tokens(whole, kept)


def test_its_tokens_are_the_kept_ones_in_their_order(cut, trained):
    whole, kept, smaller = cut
    assert len(kept) == len(smaller) == trained[1]
    names = whole.convert_ids_to_tokens(kept.tolist())
    assert smaller.convert_ids_to_tokens(list(range(len(kept)))) == names
    assert smaller.special_tokens_map == whole.special_tokens_map


def test_words_whose_tokens_are_kept_read_as_before(cut):
    whole, kept, smaller = cut
    seen = 0
    for text in TEXTS:
        for word in text.split():
            old = whole(word)["input_ids"]
            if set(old) <= set(kept.tolist()):
                seen += 1
                assert kept[smaller(word)["input_ids"]].tolist() == old
    assert seen > 20


def test_pairs_and_masks_keep_their_special_tokens(cut):
    whole, kept, smaller = cut
    assert kept[smaller("<mask>", "1")["input_ids"]].tolist() == whole("<mask>", "1")["input_ids"]


def test_it_is_saved_and_opened(cut, tmp_path):
    _, _, smaller = cut
    save(tmp_path, smaller)
    opened = load(tmp_path)
    assert [opened(text)["input_ids"] for text in TEXTS] == [
        smaller(text)["input_ids"] for text in TEXTS
    ]


def test_the_same_tokens_listed_are_the_same_choice(cut):
    whole, kept, _ = cut
    names = whole.convert_ids_to_tokens(kept.tolist())
    np.testing.assert_array_equal(listed_tokens(whole, names, "list"), kept)


def test_a_size_that_cannot_be_is_refused_with_those_that_can(trained):
    whole, _ = trained
    counts = np.zeros(len(whole), np.int64)
    for size in (3, len(whole)):
        with pytest.raises(
            UserError, match=rf"{size} tokens cannot be made .* to {len(whole) - 1}"
        ):
            frequent_tokens(whole, counts, size)


def test_the_share_of_unchanged_tokens(cut):
    whole, kept, smaller = cut
    assert unchanged_share(whole, whole, TEXTS)[0] == 1.0
    share, tokens = unchanged_share(whole, smaller, TEXTS)
    counts = count_tokens(whole, TEXTS)
    assert tokens == counts.sum()
    assert 0.3 < share <= counts[kept].sum() / counts.sum()


def test_merges_on_the_way_to_a_token():
    order = {("a", "b"): 0, ("b", "c"): 1, ("ab", "c"): 2, ("ab", "c</w>"): 3}
    assert made_of("abc", order) == {"a", "b", "c", "ab", "abc"}
    assert made_of("abc</w>", order, "</w>") == {"a", "b", "c</w>", "ab", "abc</w>"}
    assert made_of("cc", order) == {"c"}
