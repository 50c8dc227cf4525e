"""Opening and saving tokenizer folders in the Hugging Face layout."""

import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from distil_jax.errors import UserError
from distil_jax.storage import lfs, links
from distil_jax.storage.address import is_url
from distil_jax.storage.atomic import of_rust
from distil_jax.storage.bucket import Bucket
from distil_jax.tokenizer import hub, sentencepiece_file, tokenizer_config, vocabulary_file
from distil_jax.tokenizer.fingerprint import fingerprint
from distil_jax.tokenizer.special import named_by_content, special_ids
from distil_jax.tokenizer.transformers_class import PROBE, as_written, names_its_class, opened

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

BUILTIN_TEACHER = "builtin:teacher"
# In the order in which they are trusted: one file with everything, or a vocabulary to build from.
TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", *sentencepiece_file.FILES)


def resolve(name: str | Path) -> Path:
    """The folder that a name means: `builtin:teacher` is inside the package, a bucket's a copy.

    Raises `UserError` for another builtin model, and for a folder with links that lead nowhere.
    """
    if is_url(name):
        return Bucket(str(name)).copy()
    if str(name) == BUILTIN_TEACHER:
        return Path(__file__).parents[1] / "builtin_teacher"
    if str(name).startswith("builtin:"):
        raise UserError(f"there is no model {name}; did you mean {BUILTIN_TEACHER}?")
    folder = Path(os.path.expanduser(name))
    if folder.is_dir():
        links.check(folder)
    return folder


def load(folder: str | Path) -> "PreTrainedTokenizerFast":
    """Open the fast tokenizer of a model folder, of a hub id, or of `builtin:teacher`.

    Raises UserError when there is none, when it is damaged, or when it lacks one of the special
    tokens that masked language modelling needs.
    """
    path = resolve(folder)
    try:
        tokenizer = _from_folder(path) if path.is_dir() else _from_hub(str(folder))
        if not getattr(tokenizer, "is_fast", False):
            raise UserError(f"{folder} holds no fast tokenizer; save it with a tokenizer.json")
        _check(tokenizer)
    except UserError:
        raise
    except Exception as error:  # of a damaged file the libraries raise whatever comes
        raise UserError(
            f"{folder} cannot be used as a tokenizer ({type(error).__name__}: {error}); "
            "copy its files again"
        ) from error
    return tokenizer


def without_frame(tokens: "Tokenizer") -> "PreTrainedTokenizerFast":
    """The same as a class of transformers', which puts no special tokens around a text.

    A static model's may lack them: then one that it has is named in their place.
    """
    content = json.loads(tokens.to_str()) | {"post_processor": None}
    with TemporaryDirectory(prefix="distil_jax-") as draft:
        file = Path(draft) / "tokenizer.json"
        file.write_text(json.dumps(content), "utf-8")
        named = named_by_content(file)
        others = [named.get("pad_token"), *(each["content"] for each in content["added_tokens"])]
        spare = next(filter(None, others), None)
        settings = dict.fromkeys(("cls_token", "sep_token", "pad_token"), spare) | named
        settings["tokenizer_class"] = tokenizer_config.GENERIC
        (Path(draft) / tokenizer_config.FILE).write_text(json.dumps(settings), "utf-8")
        return load(draft)


def save(
    folder: str | Path, tokenizer: "PreTrainedTokenizerFast", *, token_types: bool = True
) -> None:
    """Write the files that AutoTokenizer opens, and vocab.txt for a WordPiece vocabulary.

    Without `token_types` the tokenizer hands none to its model, which has none.
    """
    folder = Path(folder)
    with of_rust():
        tokenizer.save_pretrained(folder)
    tokenizer_config.make_portable(folder, tokenizer, token_types=token_types)
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    if model.get("type") == "WordPiece":
        pieces = sorted(model["vocab"], key=model["vocab"].__getitem__)
        (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in pieces), "utf-8")


def _check(tokenizer: "PreTrainedTokenizerFast") -> None:
    """Raise UserError, or anything, for a tokenizer that opens but does not work."""
    special = special_ids(tokenizer).every
    if len(tokenizer) <= len(special):
        raise UserError(
            f"the tokenizer {tokenizer.name_or_path} comes out with {len(tokenizer)} tokens, all "
            "special: its vocabulary is not of its model's usual class; write its own class into "
            "tokenizer_config.json as tokenizer_class, or save it with a tokenizer.json"
        )
    fingerprint(tokenizer)
    check_numbers(tokenizer)


def check_numbers(tokenizer: Any) -> None:
    """Refuse numbers beyond the tokens that there are; raises `UserError`."""
    largest = max([*tokenizer.get_vocab().values(), *tokenizer(PROBE)["input_ids"]])
    if largest >= len(tokenizer):
        raise UserError(
            f"the tokenizer {tokenizer.name_or_path} has {len(tokenizer)} tokens but numbers up to "
            f"{largest}; its files are damaged (a vocab.txt with a line twice?), or belong to "
            "different tokenizers"
        )


def _from_folder(path: Path) -> "PreTrainedTokenizerFast":
    from transformers import PreTrainedTokenizerFast

    present = [name for name in TOKENIZER_FILES if (path / name).is_file()]
    if not present:
        raise UserError(f"{path} holds no tokenizer; {sentencepiece_file.unread(path)}")
    tokenizer: Any
    configured = any((path / name).is_file() for name in ("tokenizer_config.json", "config.json"))
    try:
        if present[0] == vocabulary_file.FILE:
            return _from_vocabulary(path, configured=configured)
        if configured:
            tokenizer = tokenizer_config.declare(
                opened(path), tokenizer_config.read(path).get("tokenizer_class")
            )
        elif present[0] == "tokenizer.json":
            tokenizer = PreTrainedTokenizerFast(
                tokenizer_file=str(path / present[0]), **named_by_content(path / present[0])
            )
        else:
            raise UserError(
                f"{path} has {present[0]}, but no tokenizer_config.json or config.json that says "
                f"what it is for; {sentencepiece_file.RESAVE}"
            )
    except UserError:
        raise
    except Exception as error:  # the libraries raise bare Exception for a damaged file
        if pointer := lfs.advice(path / present[0]):
            raise UserError(f"{path / present[0]} is {pointer}") from error
        if missing := sentencepiece_file.needs(present[0]):
            raise UserError(f"{path / present[0]} {missing}") from error
        said = " ".join(str(error).split())
        raise UserError(f"{path / present[0]} cannot be read as a tokenizer: {said}") from error
    if present[0] != "tokenizer.json":
        return tokenizer
    tokenizer = as_written(path, tokenizer)
    vocabulary_file.mention_unread(path, tokenizer)
    return tokenizer


def _from_vocabulary(path: Path, *, configured: bool) -> Any:
    """As the folder's class has it, or as BERT's: transformers 5 may make five tokens out of it."""
    settings = tokenizer_config.read(path)
    vocabulary_file.check_words(path, settings)
    tokenizer: Any = None
    if configured and names_its_class(path):
        tokenizer = tokenizer_config.declare(opened(path), settings.get("tokenizer_class"))
    if tokenizer is None or tokenizer.vocab_size < _lines(path / vocabulary_file.FILE):
        tokenizer = vocabulary_file.build(path)
    if getattr(tokenizer, "is_fast", False):
        vocabulary_file.check_added(path, tokenizer)
        vocabulary_file.mention_case(path, tokenizer)
    return tokenizer


def _from_hub(name: str) -> "PreTrainedTokenizerFast":
    from transformers import AutoTokenizer

    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise UserError(f"tokenizer folder {name} does not exist")
    opened: Any
    with hub.access() as online:
        try:
            opened = AutoTokenizer.from_pretrained(name, local_files_only=not online)
        except Exception as error:  # every layer below has its own
            state = "not on the hub" if online else "the hub cannot be reached"
            raise UserError(
                f"tokenizer {name} is not a local folder and {state}; "
                "give a folder with a tokenizer.json"
            ) from error
    return opened


def _lines(file: Path) -> int:
    with file.open("rb") as lines:
        return sum(1 for _ in lines)
