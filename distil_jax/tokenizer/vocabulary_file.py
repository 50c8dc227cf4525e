"""A tokenizer out of BERT's vocab.txt, and of what lies beside it."""

import json
import unicodedata
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distil_jax.errors import UserError
from distil_jax.notes import note
from distil_jax.tokenizer import tokenizer_config
from distil_jax.tokenizer.wordpiece import SPECIAL_TOKENS, bert_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

FILE, WORDS = "vocab.txt", "vocab.json"
ADDED, SPECIAL = "added_tokens.json", "special_tokens_map.json"
OTHER_MODELS = ("bpe.codes", "merges.txt", "spiece.model", "sentencepiece.bpe.model", "spm.model")
NAMES = dict(zip(("pad", "unk", "cls", "sep", "mask"), SPECIAL_TOKENS, strict=True))
_SHOWN = 3


def build(folder: Path) -> "PreTrainedTokenizerFast":
    """The tokenizer of a vocab.txt, its settings and the tokens added to it.

    Raises `UserError` for a vocabulary that is not BERT's, or a file beside it that says so.
    """
    settings = tokenizer_config.read(folder)
    check_words(folder, settings)
    _check_names(folder, settings)
    pieces = _pieces(folder / FILE)
    missing = [token for token in SPECIAL_TOKENS if token not in pieces]
    if missing:
        raise UserError(f"{folder / FILE} lacks {' '.join(missing)}; is it a BERT vocabulary?")
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = bert_tokenizer(
        vocabulary,
        lowercase=bool(settings.get("do_lower_case", True)),
        strip_accents=settings.get("strip_accents"),
        chinese_characters=bool(settings.get("tokenize_chinese_chars", True)),
    )
    _add(folder, tokenizer, settings)
    return tokenizer


def check_words(folder: Path, settings: Mapping[str, Any]) -> None:
    """Refuse a vocabulary whose words are not cut as BERT's are."""
    named = str(settings.get("tokenizer_class") or "BertTokenizer").removesuffix("Fast")
    words = settings.get("word_tokenizer_type") or "basic"
    pieces = settings.get("subword_tokenizer_type") or "wordpiece"
    if words != "basic" or pieces != "wordpiece" or "Japanese" in named:
        raise UserError(
            f"{folder} has a tokenizer that cuts words by {words} and pieces by {pieces} "
            f"({named}), which is not read; save it with a tokenizer.json"
        )
    if settings.get("do_basic_tokenize") is False:
        raise UserError(
            f"{folder} has do_basic_tokenize false: its words are cut beforehand, which is not "
            "read; save it with a tokenizer.json"
        )
    other = next((name for name in OTHER_MODELS if (folder / name).is_file()), None)
    if other is not None:
        raise UserError(
            f"{folder} has {other} beside {FILE}: the pieces are not BERT's, and without a "
            "tokenizer.json they are not read; save it with one"
        )


def check_added(folder: Path, tokenizer: Any) -> None:
    """Raise `UserError` unless the tokenizer knows the tokens of added_tokens.json."""
    for token, number in _added(folder).items():
        if tokenizer.convert_tokens_to_ids(token) != number:
            raise UserError(
                f"{folder / ADDED} gives {token!r} the number {number}, the tokenizer "
                f"{tokenizer.convert_tokens_to_ids(token)}; the files are of different tokenizers"
            )


def mention_case(folder: Path, tokenizer: Any) -> None:
    """Say so where a default puts text in lower case that the vocabulary has in upper case."""
    if "do_lower_case" in tokenizer_config.read(folder):
        return
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    normalizer = state["normalizer"] or {}
    if not normalizer.get("lowercase"):
        return
    special = {*tokenizer.all_special_tokens}
    own = [piece for piece in state["model"]["vocab"] if piece not in special and piece[0] != "["]
    found = [(piece, "upper case") for piece in own if piece != piece.lower()]
    found = found or [(piece, "accents") for piece in own if _has_accent(piece)]
    if found:
        shown = ", ".join(piece for piece, _ in found[:_SHOWN])
        note(
            f"{folder}: {len(found):,} pieces of {FILE} have {found[0][1]} ({shown}), but text is "
            "read in lower case and without accents, as nothing says do_lower_case: put "
            f'"do_lower_case": false into {tokenizer_config.FILE} if the model is a cased one'
        )


def mention_unread(folder: Path, tokenizer: Any) -> None:
    """Say so where a vocabulary beside tokenizer.json has other numbers than the tokenizer."""
    beside: dict[str, dict[str, int]] = {name: _object(folder / name) for name in (WORDS, ADDED)}
    if (folder / FILE).is_file():
        beside[FILE] = {piece: number for number, piece in enumerate(_pieces(folder / FILE))}
    known = tokenizer.get_vocab()
    for name, vocabulary in beside.items():
        other = [
            piece for piece, number in vocabulary.items() if piece and known.get(piece) != number
        ]
        if other:
            there = "none" if (number := known.get(other[0])) is None else f"{number}"
            note(
                f"{folder}: {name} gives {other[0]!r} the number {vocabulary[other[0]]}, the "
                f"tokenizer as it is read {there} ({len(other):,} differ): of {name} and "
                "tokenizer.json, take away the one that is wrong"
            )


def _has_accent(piece: str) -> bool:
    """Whether a Latin letter bears a mark that lower-casing takes off."""
    marks = unicodedata.normalize("NFD", piece)
    return any(
        unicodedata.category(mark) == "Mn" and "LATIN" in unicodedata.name(letter, "")
        for letter, mark in pairwise(marks)
    )


def _pieces(file: Path) -> list[str]:
    """Lines as BERT counts them: U+2028 and others are pieces."""
    try:
        lines = file.read_bytes().decode("utf-8-sig").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not UTF-8 ({error}); copy it again") from error
    if all(line.endswith("\r") for line in lines[:-1]):
        lines = [line.removesuffix("\r") for line in lines]
    return lines


def _check_names(folder: Path, settings: Mapping[str, Any]) -> None:
    """Refuse special tokens of other names than BERT's, which a vocabulary alone is built with."""
    for file, content in ((SPECIAL, _object(folder / SPECIAL)), (tokenizer_config.FILE, settings)):
        for name, usual in NAMES.items():
            token = _text(content.get(f"{name}_token"))
            if token not in (None, usual):
                raise UserError(
                    f"{folder / file} names {token!r} as {name}_token, where BERT's is {usual}; a "
                    "tokenizer with other names is read from a tokenizer.json: save it with one"
                )


def _add(folder: Path, tokenizer: Any, settings: Mapping[str, Any]) -> None:
    """Add the tokens that the files beside the vocabulary name, under their numbers."""
    for token in sorted((added := _added(folder)), key=added.__getitem__):
        tokenizer.add_tokens([token])
    special = [*_object(folder / SPECIAL).get("additional_special_tokens", [])]
    special += settings.get("additional_special_tokens") or []
    tokens = [text for each in special if (text := _text(each))]
    if tokens:
        tokenizer.add_special_tokens({"additional_special_tokens": list(dict.fromkeys(tokens))})
    check_added(folder, tokenizer)


def _added(folder: Path) -> dict[str, int]:
    decoded = tokenizer_config.read(folder).get("added_tokens_decoder") or {}
    found: dict[Any, Any] = _object(folder / ADDED)
    found |= {_text(token): int(number) for number, token in decoded.items()}
    return {str(token): int(number) for token, number in found.items() if token}


def _object(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text("utf-8-sig"))
    except ValueError as error:
        raise UserError(f"{file} cannot be read as JSON ({error}); copy it again") from error
    if not isinstance(content, dict):
        raise UserError(f"{file} is not a JSON object; copy it again")
    return content


def _text(token: Any) -> str | None:
    """A token's text; it may stand alone or among what is said of it."""
    return token.get("content") if isinstance(token, Mapping) else token
