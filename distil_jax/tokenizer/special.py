"""The ids of a tokenizer's special tokens, under one name for BERT's and RoBERTa's spellings."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from distil_jax.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


OPTIONAL = ("mask", "unk")


@dataclass(frozen=True)
class SpecialIds:
    """`cls` is [CLS] or <s>, `sep` is [SEP] or </s>; `every` holds all special ids, ascending.

    A causal model's tokenizer has no `mask`, one that spells every byte may have no `unk`.
    """

    cls: int
    sep: int
    pad: int
    mask: int | None
    unk: int | None
    every: tuple[int, ...]


def special_ids(tokenizer: "PreTrainedTokenizerFast") -> SpecialIds:
    """Read the special ids, taking bos and eos where cls and sep are not set, and sep for padding.

    Raises UserError naming the tokens that are missing.
    """
    found = {
        "cls": _first(tokenizer.cls_token_id, tokenizer.bos_token_id),
        "sep": _first(tokenizer.sep_token_id, tokenizer.eos_token_id),
        "pad": _first(tokenizer.pad_token_id, tokenizer.sep_token_id, tokenizer.eos_token_id),
        "mask": tokenizer.mask_token_id,
        "unk": tokenizer.unk_token_id,
    }
    missing = [name for name, number in found.items() if number is None]
    if {*missing} - {*OPTIONAL}:
        raise UserError(
            f"the tokenizer {tokenizer.name_or_path or 'given'} has no {', '.join(missing)} token; "
            "use the tokenizer of a masked language model"
        )
    ids = {name: int(number) for name, number in found.items() if number is not None}
    every = tuple(sorted({*map(int, tokenizer.all_special_ids), *ids.values()}))
    return SpecialIds(**{**dict.fromkeys(OPTIONAL), **ids}, every=every)  # type: ignore[arg-type]


def mask_token(tokenizer: "PreTrainedTokenizerFast") -> int:
    """The id that stands for masked tokens; raises `UserError` where there is none."""
    mask = special_ids(tokenizer).mask
    if mask is None:
        raise UserError(
            f"the tokenizer {tokenizer.name_or_path or 'given'} has no mask token, which masked "
            "language modelling needs; use the tokenizer of a masked language model"
        )
    return mask


def named_by_content(file: Path) -> dict[str, str]:
    """Special-token names for a bare tokenizer.json, recognised by their usual spellings."""
    contents = {token["content"] for token in json.loads(file.read_text("utf-8"))["added_tokens"]}
    bert = {"cls": "[CLS]", "sep": "[SEP]", "pad": "[PAD]", "mask": "[MASK]", "unk": "[UNK]"}
    roberta = {"cls": "<s>", "sep": "</s>", "pad": "<pad>", "mask": "<mask>", "unk": "<unk>"}
    spelled = max((bert, roberta), key=lambda names: len(contents & set(names.values())))
    return {f"{name}_token": token for name, token in spelled.items() if token in contents}


def _first(*numbers: int | None) -> int | None:
    return next((number for number in numbers if number is not None), None)
