from distil_jax import tokenizer
from distil_jax.tokenizer.wordpiece import SPECIAL_TOKENS, bert_tokenizer


def test_ids_follow_the_vocabulary_not_the_usual_places():
    vocabulary = {token: 10 - i for i, token in enumerate((*SPECIAL_TOKENS, "a", "b"))}
    found = tokenizer.special_ids(bert_tokenizer(vocabulary, lowercase=True))
    assert (found.pad, found.unk, found.cls, found.sep, found.mask) == (10, 9, 8, 7, 6)
    assert found.every == (6, 7, 8, 9, 10)


def test_additional_special_tokens_are_among_all():
    vocabulary = {token: i for i, token in enumerate((*SPECIAL_TOKENS, "a", "[ENTITY]"))}
    made = bert_tokenizer(vocabulary, lowercase=True)
    made.add_special_tokens({"additional_special_tokens": ["[ENTITY]"]})
    assert tokenizer.special_ids(made).every == (0, 1, 2, 3, 4, 6)
