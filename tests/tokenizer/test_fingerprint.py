from distil_jax import tokenizer
from distil_jax.tokenizer.wordpiece import SPECIAL_TOKENS, bert_tokenizer

VOCABULARY = {token: i for i, token in enumerate((*SPECIAL_TOKENS, "a", "b", "##a"))}


def of(vocabulary: dict[str, int], *, lowercase: bool = True) -> str:
    return tokenizer.fingerprint(bert_tokenizer(vocabulary, lowercase=lowercase))


def test_depends_on_vocabulary_and_normaliser():
    swapped = VOCABULARY | {"a": VOCABULARY["b"], "b": VOCABULARY["a"]}
    assert of(VOCABULARY) == of(dict(reversed(VOCABULARY.items())))
    assert len({of(VOCABULARY), of(swapped), of(VOCABULARY, lowercase=False)}) == 3


def test_does_not_depend_on_use():
    used = bert_tokenizer(VOCABULARY, lowercase=True)
    used(["a b", "a"], truncation=True, max_length=4, padding=True)
    assert tokenizer.fingerprint(used) == of(VOCABULARY)
