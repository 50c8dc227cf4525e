"""One hash that says whether two tokenizers turn text into the same numbers."""

import hashlib
import json
from dataclasses import astuple
from typing import TYPE_CHECKING

from distil_jax.tokenizer.special import special_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def fingerprint(tokenizer: "PreTrainedTokenizerFast") -> str:
    """sha256 of what decides the ids: normaliser, pre-tokeniser, model, added and special tokens.

    Truncation, padding, decoder and post-processor are left out: they are settings of a call or
    are written differently by different savers. Equal after a save and a load.
    """
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    added = sorted((token["id"], token["content"]) for token in state["added_tokens"])
    content = {
        "normalizer": state["normalizer"],
        "pre_tokenizer": state["pre_tokenizer"],
        "model": state["model"],
        "added": added,
        "special": astuple(special_ids(tokenizer)),
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()
