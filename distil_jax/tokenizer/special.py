"""The ids of a tokenizer's special tokens, under one name for BERT's and RoBERTa's spellings."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from distil_jax.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True)
class SpecialIds:
    """`cls` is [CLS] or <s>, `sep` is [SEP] or </s>; `every` holds all special ids, ascending."""

    cls: int
    sep: int
    pad: int
    mask: int
    unk: int
    every: tuple[int, ...]


def special_ids(tokenizer: "PreTrainedTokenizerFast") -> SpecialIds:
    """Read the special ids, taking bos and eos where cls and sep are not set.

    Raises UserError naming the tokens that are missing.
    """
    found = {
        "cls": _first(tokenizer.cls_token_id, tokenizer.bos_token_id),
        "sep": _first(tokenizer.sep_token_id, tokenizer.eos_token_id),
        "pad": tokenizer.pad_token_id,
        "mask": tokenizer.mask_token_id,
        "unk": tokenizer.unk_token_id,
    }
    missing = [name for name, number in found.items() if number is None]
    if missing:
        raise UserError(
            f"the tokenizer {tokenizer.name_or_path or 'given'} has no {', '.join(missing)} token; "
            "use the tokenizer of a masked language model"
        )
    ids = {name: int(number) for name, number in found.items() if number is not None}
    every = tuple(sorted({*map(int, tokenizer.all_special_ids), *ids.values()}))
    return SpecialIds(**ids, every=every)


def _first(*numbers: int | None) -> int | None:
    return next((number for number in numbers if number is not None), None)
