"""Whether two tokenizers number texts alike, and if not, where they differ."""

from typing import TYPE_CHECKING

from distil_jax.tokenizer.fingerprint import fingerprint
from distil_jax.tokenizer.transformers_class import PROBES

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def difference(first: "PreTrainedTokenizerFast", second: "PreTrainedTokenizerFast") -> str:
    """What differs, for a message; empty where they number texts alike."""
    if fingerprint(first) == fingerprint(second):
        return ""
    ours, theirs = first.get_vocab(), second.get_vocab()
    if ours != theirs:
        number, token = (
            min((number, token) for token, number in ours.items() if theirs.get(token) != number)
            if ours.items() - theirs.items()
            else (len(ours), "nothing")
        )
        other = second.convert_ids_to_tokens(number) if number < len(second) else "nothing"
        return f"token {number} is {token!r} in the one and {other!r} in the other"
    for text in PROBES:
        if first(text)["input_ids"] != second(text)["input_ids"]:
            return f"they cut {text!r} in different ways"
    return ""
