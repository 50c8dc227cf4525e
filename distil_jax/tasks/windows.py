"""Contexts cut into windows: where answers stand in them, and finding them again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from distil_jax.data.sequences import bare_backend
from distil_jax.errors import UserError
from distil_jax.tasks.encoding import Encoded
from distil_jax.tasks.squad import Questions

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

BEST = 20
"""Starts and ends that are paired with each other, as in the usual scripts."""
LONGEST_ANSWER_TOKENS = 30
QUESTIONS_AT_ONCE = 512


@dataclass(frozen=True)
class Windows:
    """Overlapping pieces of contexts behind their questions.

    Attributes:
      encoded: one sequence for each window.
      question: the number of each window's question.
      offsets: for each window int32 [tokens, 2], first and last character (exclusive) of a context
        token; -1 for all others.
      strided: how many questions have more than one window.
    """

    encoded: Encoded
    question: np.ndarray
    offsets: tuple[np.ndarray, ...]
    strided: int


def cut(
    questions: Sequence[str],
    contexts: Sequence[str],
    tokenizer: "PreTrainedTokenizerFast",
    *,
    length: int,
    stride: int,
) -> Windows:
    """Windows of `length` tokens, neighbours of one context sharing `stride` of them.

    A question longer than a third of a window is cut to that, so that some of the context fits.
    """
    asked, truncated = _shortened(questions, tokenizer, length // 3)
    backend = bare_backend(tokenizer)
    special = backend.num_special_tokens_to_add(is_pair=True)
    context_tokens = length - length // 3 - special
    if context_tokens < 1:
        raise UserError(
            f"--length={length} leaves no token for the context of a question; give more"
        )
    overlap = min(stride, (length - length // 3) // 2, context_tokens - 1)
    backend.enable_truncation(length, stride=overlap, strategy="only_second")
    tokens, types, numbers, offsets, strided = [], [], [], [], 0
    for start in range(0, len(asked), QUESTIONS_AT_ONCE):
        part = slice(start, start + QUESTIONS_AT_ONCE)
        encodings = backend.encode_batch(list(zip(asked[part], contexts[part], strict=True)))
        for number, first in enumerate(encodings, start):
            strided += bool(first.overflowing)
            for window in (first, *first.overflowing):
                tokens.append(np.asarray(window.ids, np.int32))
                types.append(np.asarray(window.type_ids, np.int32))
                offsets.append(_context_offsets(window))
                numbers.append(number)
    encoded = Encoded(tuple(tokens), tuple(types), truncated)
    return Windows(encoded, np.asarray(numbers, np.int64), tuple(offsets), strided)


def _shortened(
    questions: Sequence[str], tokenizer: "PreTrainedTokenizerFast", most: int
) -> tuple[list[str], int]:
    backend = bare_backend(tokenizer)
    shortened, cut_count = [], 0
    for start in range(0, len(questions), QUESTIONS_AT_ONCE):
        part = list(questions[start : start + QUESTIONS_AT_ONCE])
        for text, encoding in zip(
            part, backend.encode_batch(part, add_special_tokens=False), strict=True
        ):
            if len(encoding.ids) > most:
                text, cut_count = text[: encoding.offsets[most - 1][1]], cut_count + 1
            shortened.append(text)
    return shortened, cut_count


def _context_offsets(window: Any) -> np.ndarray:
    offsets = np.asarray(window.offsets, np.int32).reshape(-1, 2)
    outside = np.asarray([number != 1 for number in window.sequence_ids])
    offsets[outside] = -1
    return offsets


def token_spans(windows: Windows, questions: Questions) -> tuple[np.ndarray, np.ndarray]:
    """First and last token of each window's answer; the first token where it is not all there.

    Characters that belong to no token, as a tokenizer drops some, may begin or end an answer.
    """
    starts, ends = np.zeros((2, len(windows.question)), np.int32)
    reach = _reach(windows)
    every = zip(windows.question.tolist(), windows.offsets, strict=True)
    for window, (number, offsets) in enumerate(every):
        text, first = questions.answers[number][0]
        last = first + len(text)
        inside = np.flatnonzero(offsets[:, 0] >= 0)
        touched = inside[(offsets[inside, 1] > first) & (offsets[inside, 0] < last)]
        if not len(touched):
            continue
        begin, end = offsets[inside[0], 0], offsets[inside[-1], 1]
        least, most = reach[number]
        if (begin <= first or begin == least) and (end >= last or end == most):
            starts[window], ends[window] = touched[0], touched[-1]
    return starts, ends


def _reach(windows: Windows) -> dict[int, tuple[int, int]]:
    """The first and last character (exclusive) that a token of each question's context has."""
    reach: dict[int, tuple[int, int]] = {}
    for number, offsets in zip(windows.question.tolist(), windows.offsets, strict=True):
        inside = offsets[offsets[:, 0] >= 0]
        if len(inside):
            begin, end = reach.get(number, (int(inside[0, 0]), int(inside[-1, 1])))
            reach[number] = (min(begin, int(inside[0, 0])), max(end, int(inside[-1, 1])))
    return reach


@dataclass(frozen=True)
class Answer:
    """The best span of a question, and the sum of its two logits."""

    text: str
    score: float
    start: int
    end: int


def best_answers(
    windows: Windows, contexts: Sequence[str], logits: Sequence[np.ndarray]
) -> list[Answer]:
    """The best span of each question over its windows; `logits` are [tokens, 2] each.

    White space around it, as SentencePiece's tokens begin with, is no part of an answer.
    """
    best = [Answer("", -np.inf, 0, 0) for _ in contexts]
    for number, offsets, scores in zip(windows.question, windows.offsets, logits, strict=True):
        span = _best_span(offsets, scores)
        if span is not None and span[2] > best[number].score:
            found = contexts[number][int(offsets[span[0], 0]) : int(offsets[span[1], 1])]
            start = int(offsets[span[0], 0]) + len(found) - len(found.lstrip())
            text = found.strip()
            best[number] = Answer(text, span[2], start, start + len(text))
    return best


def _best_span(offsets: np.ndarray, scores: np.ndarray) -> tuple[int, int, float] | None:
    inside = np.flatnonzero(offsets[:, 0] >= 0)
    if not len(inside):
        return None
    starts = inside[np.argsort(-scores[inside, 0], kind="stable")[:BEST]]
    ends = inside[np.argsort(-scores[inside, 1], kind="stable")[:BEST]]
    sums = scores[starts, 0][:, None] + scores[ends, 1][None]
    span = ends[None] - starts[:, None]
    sums = np.where((span >= 0) & (span < LONGEST_ANSWER_TOKENS), sums, -np.inf)
    first, last = np.unravel_index(np.argmax(sums), sums.shape)
    if not np.isfinite(sums[first, last]):
        return None
    return int(starts[first]), int(ends[last]), float(sums[first, last])
