"""A tokenizer straight from tokenizer.json, for a command that answers before transformers loads.

Importing transformers takes longer than reading a model and running it once.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from distil_jax.tokenizer import tokenizer_config, vocabulary_file
from distil_jax.tokenizer.special import named_by_content, special_ids
from distil_jax.tokenizer.tokenizer_folder import check_numbers, load, resolve
from distil_jax.tokenizer.transformers_class import NORMALISATION, PROBE

FILE = "tokenizer.json"
NAMED = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
ABSENT = object()
NOT_PLAIN = frozenset(
    ["additional_special_tokens", "auto_map", "extra_special_tokens", "split_special_tokens"]
)
"""Keys of tokenizer_config.json with which transformers changes what tokenizer.json says."""
OF_BERT = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}
"""Its normalisation settings, as the normaliser of tokenizer.json names them."""


class PlainTokenizer:
    """What reading single texts asks of transformers' `PreTrainedTokenizerFast`, by its names."""

    is_fast = True

    def __init__(self, backend: Tokenizer, named: Mapping[str, str], name_or_path: str) -> None:
        """Take the tokens that `named` calls mask, pad, ... from the vocabulary of `backend`."""
        backend.no_padding()
        backend.no_truncation()
        self.backend_tokenizer = backend
        self.name_or_path = name_or_path
        for kind in NAMED:
            token = named.get(kind)
            setattr(self, f"{kind}_token", token)
            setattr(self, f"{kind}_token_id", backend.token_to_id(token) if token else None)
        added = backend.get_added_tokens_decoder()
        special = {number for number, token in added.items() if token.special}
        own = (backend.token_to_id(token) for token in named.values())
        self.all_special_ids = sorted(special | {number for number in own if number is not None})

    def __call__(self, text: str, **_: Any) -> dict[str, list[int]]:
        """The ids of a whole text, with the special tokens around it."""
        return {"input_ids": self.backend_tokenizer.encode(text).ids}

    def __len__(self) -> int:
        """Tokens, added ones included."""
        return self.backend_tokenizer.get_vocab_size()

    def get_vocab(self) -> dict[str, int]:
        """Every token's number."""
        return self.backend_tokenizer.get_vocab()

    def decode(self, ids: list[int]) -> str:
        """The text of tokens, special ones included."""
        return self.backend_tokenizer.decode(ids, skip_special_tokens=False)

    def convert_ids_to_tokens(self, number: int) -> str:
        """A token as the vocabulary writes it."""
        return str(self.backend_tokenizer.id_to_token(number))


def load_plain(folder: str | Path) -> Any:
    """`load`, without transformers where tokenizer.json says everything; raises `UserError`."""
    path = resolve(folder)
    tokenizer = _plain(path)
    if tokenizer is None:
        return load(folder)
    vocabulary_file.mention_unread(path, tokenizer)
    return tokenizer


def _plain(path: Path) -> PlainTokenizer | None:
    """None where anything is unusual, which `load` reads or complains of."""
    try:
        content = json.loads((path / FILE).read_text("utf-8"))
        settings = {**_object(path / vocabulary_file.SPECIAL), **tokenizer_config.read(path)}
        tokens = {**named_by_content(path / FILE), **settings}
        named = {kind: token for kind in NAMED if (token := tokens.get(f"{kind}_token"))}
        said = [*named.values(), *settings.get("added_tokens_decoder", {}).values()]
        if (
            (path / vocabulary_file.ADDED).is_file()
            or NOT_PLAIN & settings.keys()
            or "mask" not in named
            or not all(_is_added(token, content["added_tokens"]) for token in said)
            or not _same_normalisation(content, settings)
        ):
            return None
        given = {kind: _text(token) for kind, token in named.items()}
        tokenizer: Any = PlainTokenizer(Tokenizer.from_file(str(path / FILE)), given, str(path))
        special = special_ids(tokenizer)
        check_numbers(tokenizer)
        ids = tokenizer(PROBE)["input_ids"]
    except Exception:  # of a damaged file tokenizers raises a bare one; `load` says what is wrong
        return None
    # Of a file that says nothing of the tokens around a text, transformers' classes know them.
    return tokenizer if (ids[0], ids[-1]) == (special.cls, special.sep) else None


def _same_normalisation(content: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Whether tokenizer_config.json says what tokenizer.json says of a text's characters."""
    normalizer, cutter = content["normalizer"] or {}, content["pre_tokenizer"] or {}
    own = {name: normalizer.get(key, ABSENT) for name, key in OF_BERT.items()}
    if not content["model"].get("unk_token"):  # with one, classes that read this build another
        own["add_prefix_space"] = cutter.get("add_prefix_space", ABSENT)
    return all(settings[name] == own.get(name, ABSENT) for name in NORMALISATION & settings.keys())


def _is_added(said: Any, added: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a special token of tokenizer_config.json is one of tokenizer.json, and the same."""
    token = next((each for each in added if each["content"] == _text(said)), None)
    if token is None or not token["special"]:
        return False
    return isinstance(said, str) or all(token[key] == said.get(key, token[key]) for key in token)


def _object(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text("utf-8"))) if file.is_file() else {}


def _text(token: Any) -> Any:
    """A token of tokenizer_config.json, which may be an object."""
    return token.get("content") if isinstance(token, dict) else token
