"""Training a BERT-style WordPiece vocabulary, the same bytes for the same text every time."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from distil_jax.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
SMALLEST_SIZE = 32
LARGEST_ALPHABET = 1000
MODEL_MAX_LENGTH = 512


def train_wordpiece(
    texts: Callable[[], Iterable[str]],
    size: int,
    *,
    lowercase: bool = True,
    minimum_count: int = 2,
) -> "PreTrainedTokenizerFast":
    """Train `size` word pieces on `texts()`, which is called twice (characters, then words).

    The trainer of the tokenizers library breaks ties between equally frequent pairs by token
    number, and numbers single characters in the order of a randomly seeded hash map. Handing it
    every character as a numbered token first makes the result depend on the text alone. One
    thirty-second of `size`, 64 to 1,000, is the number of different characters kept.

    Raises UserError when there is no text or it does not yield `size` pieces.
    """
    if size < SMALLEST_SIZE:
        raise UserError(f"a vocabulary of {size} is too small; ask for {SMALLEST_SIZE} or more")
    tokenizer = _backend({token: number for number, token in enumerate(SPECIAL_TOKENS)}, lowercase)
    alphabet = _alphabet(texts(), tokenizer, _alphabet_size(size))
    if not alphabet:
        raise UserError("there is no text to train a vocabulary on; check --input and --heldout")
    inner = [f"##{c}" for c in alphabet if _joins_words(tokenizer, c)]
    trainer = trainers.WordPieceTrainer(
        vocab_size=size,
        min_frequency=minimum_count,
        special_tokens=[*SPECIAL_TOKENS, *alphabet, *inner],
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_batches(texts()), trainer)
    vocabulary = tokenizer.get_vocab()
    if len(vocabulary) < size:
        # A size that leaves less space for characters would again not be filled.
        found = len(vocabulary)
        enough = found >= SMALLEST_SIZE and _alphabet_size(found) >= len(alphabet)
        raise UserError(
            f"the text yields only {found} word pieces, {size} were asked for; "
            f"give more text{f' or --size={found}' if enough else ''}"
        )
    return bert_tokenizer(vocabulary, lowercase=lowercase)


def bert_tokenizer(
    vocabulary: dict[str, int],
    *,
    lowercase: bool,
    strip_accents: bool | None = None,
    chinese_characters: bool = True,
) -> "PreTrainedTokenizerFast":
    """A BERT fast tokenizer over a vocabulary that holds the five special tokens.

    Accents are stripped as `strip_accents` says, None: where text is lowercased; Chinese characters
    are words of their own unless asked otherwise.
    """
    from transformers import BertTokenizer

    return BertTokenizer(
        tokenizer_object=_backend(vocabulary, lowercase, strip_accents, chinese_characters),
        do_lower_case=lowercase,
        strip_accents=strip_accents,
        tokenize_chinese_chars=chinese_characters,
        model_max_length=MODEL_MAX_LENGTH,
    )


def _backend(
    vocabulary: dict[str, int],
    lowercase: bool,
    strip_accents: bool | None = None,
    chinese_characters: bool = True,
) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(
        lowercase=lowercase,
        strip_accents=strip_accents,
        handle_chinese_chars=chinese_characters,
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")],
    )
    return tokenizer


def _alphabet(texts: Iterable[str], tokenizer: Tokenizer, limit: int) -> list[str]:
    """The most frequent characters after normalisation, by falling count, then code point."""
    raw = np.zeros(0x110000, np.int64)
    for batch in _batches(texts):
        codes = np.frombuffer("".join(batch).encode("utf-32-le", "replace"), np.uint32)
        raw += np.bincount(codes, minlength=len(raw))
    counts: Counter[str] = Counter()
    for code in np.flatnonzero(raw):
        for character in tokenizer.normalizer.normalize_str(chr(code)):
            if not character.isspace():
                counts[character] += int(raw[code])
    ranked = sorted(counts, key=lambda character: (-counts[character], character))
    return ranked[:limit]


def _alphabet_size(size: int) -> int:
    """A character may take two pieces, so at most two thirds of all go to characters."""
    return min(max(64, size // 32), LARGEST_ALPHABET, size // 3)


def _joins_words(tokenizer: Tokenizer, character: str) -> bool:
    """Whether a character can stand inside a word (punctuation and ideographs cannot)."""
    normal = tokenizer.normalizer.normalize_str(f"a{character}a")
    return len(tokenizer.pre_tokenizer.pre_tokenize_str(normal)) == 1


def _batches(texts: Iterable[str], characters: int = 1 << 22) -> Iterator[list[str]]:
    batch: list[str] = []
    held = 0
    for text in texts:
        batch.append(text)
        held += len(text)
        if held >= characters:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch
