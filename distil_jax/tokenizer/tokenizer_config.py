"""tokenizer_config.json as transformers 4 and 5 both open it, with the class that was read."""

import json
from pathlib import Path
from typing import Any

from distil_jax.errors import UserError

FILE = "tokenizer_config.json"
GENERIC = "PreTrainedTokenizerFast"
"""What transformers 4 calls a tokenizer that is its tokenizer.json; 5 knows the name, too."""
_OF_5_ALONE = ("TokenizersBackend", "PythonBackend", "SentencePieceBackend")
_OF_A_CALL = ("is_local", "local_files_only")
_DECLARED = "_distil_jax_declared_class"


def declare(tokenizer: Any, name: str | None) -> Any:
    """The tokenizer, which remembers the class that its folder names."""
    setattr(tokenizer, _DECLARED, name)
    return tokenizer


def read(folder: Path) -> dict[str, Any]:
    """The file's content, empty where there is none; raises `UserError` for what is no object."""
    file = folder / FILE
    try:
        content = json.loads(file.read_text("utf-8-sig")) if file.is_file() else {}
    except ValueError as error:
        raise UserError(f"{file} cannot be read as JSON ({error}); copy it again") from error
    if not isinstance(content, dict):
        raise UserError(f"{file} is not a JSON object; copy it again")
    return content


def make_portable(folder: Path, tokenizer: Any, *, token_types: bool) -> None:
    """Rewrite what transformers 5 saved: its class names, and what it says of this call alone.

    A list of `extra_special_tokens` bears its earlier name, which both know. Without `token_types`
    the tokenizer gives none: transformers 4's DistilBERT refuses those of BERT's tokenizer.
    """
    content = {name: value for name, value in read(folder).items() if name not in _OF_A_CALL}
    name = getattr(tokenizer, _DECLARED, None) or content.get("tokenizer_class")
    content["tokenizer_class"] = GENERIC if name is None or name in _OF_5_ALONE else name
    if not token_types:
        names = tokenizer.model_input_names
        content["model_input_names"] = [each for each in names if each != "token_type_ids"]
    extra = content.get("extra_special_tokens")
    if isinstance(extra, list):
        del content["extra_special_tokens"]
        if extra:
            content["additional_special_tokens"] = extra
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    (folder / FILE).write_text(text, "utf-8")
