"""Masked language modelling: the masked tokens of a text, scored by how frequent they are.

A run of distillation trains it; here a model is scored as it is. Whatever computes the logits at
the masked tokens (a JAX model, an exported graph), `metrics.band_sums` scores them and `figures`
says what they come to.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from distil_jax.data import corpus
from distil_jax.data.masking import Masking
from distil_jax.data.packing import pack
from distil_jax.data.sequences import Dropped, Rule, bare_backend, make
from distil_jax.errors import UserError
from distil_jax.models import EncoderConfig, MaskedLM
from distil_jax.models.types import Params
from distil_jax.tasks import graph_parts
from distil_jax.tasks.kind import TaskKind
from distil_jax.tokenizer import mask_token, special_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PERCENT, MASK_PERCENT, RANDOM_PERCENT = 15, 80, 10
SHORTEST_TOKENS, UNKNOWN_SHARE = 4, 2.0
DEFINITION = "share of masked tokens whose likeliest prediction is right, percent"
DOCUMENTS_AT_ONCE = 256
BANDS = ((1, 100), (101, 1000), (1001, 5000), (5001, None))
"""First and last rank of a band's tokens by how frequent they are in the text."""


def masking(tokenizer: "PreTrainedTokenizerFast") -> Masking:
    """How tokens are hidden: BERT's 15 %, drawn uniformly."""
    special = special_ids(tokenizer)
    return Masking(
        vocabulary=len(tokenizer),
        special=special.every,
        mask_token=mask_token(tokenizer),
        percent=PERCENT,
        mask_percent=MASK_PERCENT,
        random_percent=RANDOM_PERCENT,
    )


def packed_rows(
    data: str,
    tokenizer: "PreTrainedTokenizerFast",
    length: int,
    *,
    document: str,
    column: str,
    rows: int,
) -> tuple[Int[np.ndarray, "rows length"], Int[np.ndarray, "rows length"]]:
    """Tokens and segments of a text's first `rows` rows, 0: all; raises `UserError` without any."""
    special, backend = special_ids(tokenizer), bare_backend(tokenizer)
    documents = corpus.documents(corpus.find(data, document=document, column=column))
    rule = Rule(length, shortest_tokens=SHORTEST_TOKENS, unknown_share=UNKNOWN_SHARE)
    parts = _few(documents) if rows else iter([documents])
    every = chain.from_iterable(make(some, backend, special, rule, Dropped()) for some in parts)
    sequences, tokens = [], 0
    for sequence in every:
        sequences.append(sequence)
        tokens += len(sequence)
        if rows and tokens >= rows * length:
            break
    if not sequences:
        raise UserError(f"{data} holds no text to predict; give some")
    return pack(sequences, length, special.pad)


def _few(documents: Iterator[str]) -> Iterator[Iterable[str]]:
    """A few at a time: of a long text no more is read than is asked for."""
    while some := list(islice(documents, DOCUMENTS_AT_ONCE)):
        yield some


def band_of_token(
    tokens: Int[np.ndarray, "rows length"],
    segments: Int[np.ndarray, "rows length"],
    vocabulary: int,
) -> Int[np.ndarray, " vocabulary"]:
    """For each token of the vocabulary the number of its frequency band in this text."""
    counts = np.bincount(tokens[segments > 0], minlength=vocabulary)
    rank = np.empty(len(counts), np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(1, len(counts) + 1)
    return np.searchsorted([last for _, last in BANDS[:-1]], rank, side="left").astype(np.int32)


def check_masked(count: int, data: str) -> None:
    """Raise UserError where there is nothing to score."""
    if not count:
        raise UserError(
            f"{data} has no token that could be masked: it is too short, or all of it is "
            "unknown to the tokenizer; give more text, in the model's language"
        )


def figures(sums: Float[np.ndarray, " sums"], *, compared: bool) -> dict[str, float]:
    """The figures of `metrics.TOKEN_SUMS`; `compared`: with a teacher's."""
    count, right, entropy, alike, divergence, teacher_right = map(float, sums)
    if not count:
        return {"tokens": 0.0}
    loss = entropy / count
    values = {
        "tokens": count,
        "accuracy": 100 * right / count,
        "masked_lm": loss,
        "perplexity": math.exp(min(loss, 700.0)),
    }
    if compared:
        values |= {
            "agreement": 100 * alike / count,
            "kl": divergence / count,
            "teacher_accuracy": 100 * teacher_right / count,
        }
    return values


def figures_by_band(
    sums: Float[np.ndarray, "bands sums"], *, compared: bool
) -> list[dict[str, float | str]]:
    """The figures of each band, with its first and last rank."""
    return [
        {"ranks": f"{first}-{last or ''}", **figures(row, compared=compared)}
        for (first, last), row in zip(BANDS, sums, strict=True)
    ]


def _model(config: EncoderConfig, outputs: int) -> MaskedLM:
    return MaskedLM(config)


def _graph_head(
    graph: Any, config: EncoderConfig, head: Params, hidden: str, decode: Callable[[str, str], str]
) -> None:
    features = graph_parts.transform(graph, config, head, hidden)
    product = decode(features, "head/product")
    graph.node("Add", product, graph.weight("head/bias", head["bias"]), name="logits")


MASKED_LM = TaskKind(
    name="masked_lm",
    head="masked_lm",
    model=_model,
    per_token=True,
    export_outputs=("logits",),
    export_axes=lambda config, labels: ["batch", "length", config.vocabulary],
    graph_head=_graph_head,
)
