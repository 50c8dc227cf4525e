"""Causal language modelling: a text's tokens, each predicted from those before it.

Perplexity depends on how much of the text stands before each token. The protocol: all documents,
each closed by the end token, are one stream of tokens; windows of `length` tokens run over it, each
beginning with the last `shared` tokens of the one before. Every token but the stream's first is
predicted once, in the first window that has it; with none shared, no window's first token is.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int

from distil_jax.data import corpus
from distil_jax.errors import UserError
from distil_jax.losses import IGNORE
from distil_jax.models import EncoderConfig, MaskedLM
from distil_jax.models.types import Params
from distil_jax.tasks.kind import TaskKind
from distil_jax.tokenizer import special_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

DEFINITION = "exp of the mean cross-entropy of all tokens but the first, in nats"


def stream(
    data: str, tokenizer: "PreTrainedTokenizerFast", *, document: str, column: str, most: int
) -> Int[np.ndarray, " tokens"]:
    """At least the first `most` tokens of a text (0: all); raises `UserError` for fewer than 2."""
    end = special_ids(tokenizer).sep
    ids: list[int] = []
    for text in corpus.documents(corpus.find(data, document=document, column=column)):
        ids += [*tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"], end]
        if most and len(ids) >= most:
            break
    if len(ids) < 2:
        raise UserError(f"{data} holds no text to predict; give some")
    return np.asarray(ids, np.int32)


def windows(
    tokens: Int[np.ndarray, " tokens"], length: int, shared: int, pad: int
) -> tuple[Int[np.ndarray, "rows length"], ...]:
    """Tokens, segments and labels [rows, length]; a label is its place's next token, -100: none.

    Raises `UserError` where windows share as many tokens as they have.
    """
    if shared >= length:
        raise UserError(
            f"windows of {length} tokens cannot share {shared}; use a smaller stride, or longer "
            "windows"
        )
    starts = range(0, max(1, len(tokens) - shared), length - shared)
    shape = (len(starts), length)
    rows, segments = np.full(shape, pad, np.int32), np.zeros(shape, np.int32)
    labels = np.full(shape, IGNORE, np.int32)
    for row, start in enumerate(starts):
        part = tokens[start : start + length]
        rows[row, : len(part)], segments[row, : len(part)] = part, 1
        labels[row, : len(part) - 1] = part[1:]
        if start:
            labels[row, : max(shared - 1, 0)] = IGNORE
    return rows, segments, labels


def _model(config: EncoderConfig, outputs: int) -> MaskedLM:
    return MaskedLM(config)


def _graph_head(
    graph: Any, config: EncoderConfig, head: Params, hidden: str, decode: Callable[[str, str], str]
) -> None:
    decode(hidden, "logits")


CAUSAL_LM = TaskKind(
    name="causal_lm",
    head="causal_lm",
    model=_model,
    per_token=True,
    export_outputs=("logits",),
    export_axes=lambda config, labels: ["batch", "length", config.vocabulary],
    graph_head=_graph_head,
)
