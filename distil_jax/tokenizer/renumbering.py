"""A tokenizer with some of its tokens, under new numbers."""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int

from distil_jax.tokenizer.merges import pair

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Numbers = Mapping[int, int]


def with_tokens(
    tokenizer: "PreTrainedTokenizerFast", kept: Int[np.ndarray, " kept"]
) -> "PreTrainedTokenizerFast":
    """The tokenizer whose token n is token `kept[n]` of this one.

    All special and added tokens must be among them, and of BPE what tokens are merged from
    (`vocabulary_choice`). It reads a text as before wherever all the text's tokens are kept.
    """
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    new = {int(old): number for number, old in enumerate(kept)}
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    model = state["model"]
    state |= {
        "model": {**model, **REDUCED[model["type"]](model, new)},
        "added_tokens": [{**token, "id": new[token["id"]]} for token in state["added_tokens"]],
        "post_processor": _renumbered(state["post_processor"], new),
        "padding": None,
        "truncation": None,
    }
    named = {
        name: token
        for name, token in tokenizer.special_tokens_map.items()
        if isinstance(token, str)
    }
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(state)),
        name_or_path=tokenizer.name_or_path,
        model_max_length=tokenizer.model_max_length,
        model_input_names=tokenizer.model_input_names,
        padding_side=tokenizer.padding_side,
        **named,
    )


def _word_pieces(model: Mapping[str, Any], new: Numbers) -> dict[str, Any]:
    kept = {token: new[number] for token, number in model["vocab"].items() if number in new}
    return {"vocab": kept}


def _byte_pairs(model: Mapping[str, Any], new: Numbers) -> dict[str, Any]:
    """With the merges whose parts and whole are kept."""
    vocabulary = _word_pieces(model, new)["vocab"]
    merges = [
        merge
        for merge in model["merges"]
        if all(part in vocabulary for part in (*pair(merge), "".join(pair(merge))))
    ]
    return {"vocab": vocabulary, "merges": merges}


def _unigrams(model: Mapping[str, Any], new: Numbers) -> dict[str, Any]:
    """With their scores; a piece's number is its place in the list."""
    kept = [entry for number, entry in enumerate(model["vocab"]) if number in new]
    unknown = model["unk_id"]
    return {"vocab": kept, "unk_id": None if unknown is None else new[unknown]}


REDUCED: Mapping[str, Callable[[Mapping[str, Any], Numbers], dict[str, Any]]] = {
    "WordPiece": _word_pieces,
    "BPE": _byte_pairs,
    "Unigram": _unigrams,
}


def _renumbered(node: Any, new: Numbers) -> Any:
    """A post-processor, with others in it or not: `ids` of a template, a pair [token, id]."""
    if isinstance(node, list):
        return [_renumbered(each, new) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: [new[number] for number in value]
        if key == "ids"
        else [value[0], new[value[1]]]
        if key in ("sep", "cls")
        else _renumbered(value, new)
        for key, value in node.items()
    }
