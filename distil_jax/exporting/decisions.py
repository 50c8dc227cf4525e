"""What an exported graph decides, so that two can be compared: classes, values or vectors."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from distil_jax.exporting.onnx_encoder import IDS, MASK
from distil_jax.exporting.subject import Subject
from distil_jax.exporting.vector_outputs import EMBEDDING, HIDDEN, VECTOR

Arrays = Mapping[str, np.ndarray]
HALF = 0.5


def decisions(subject: Subject, inputs: Arrays, outputs: Arrays) -> np.ndarray:
    """Of one batch: whole numbers (classes), float32 [texts] (values), or unit vectors."""
    return DECISIONS[subject.head](subject, inputs, outputs)


def agreement(expected: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> float:
    """From 0 to 1: the share of equal classes, values' correlation, or vectors' mean cosine."""
    first, second = np.concatenate(list(expected)), np.concatenate(list(found))
    if first.dtype.kind in "ib":
        return float(np.mean(first == second))
    if first.ndim == 1:
        return float(np.corrcoef(first, second)[0, 1]) if np.ptp(first) * np.ptp(second) else 0.0
    return float(np.mean(np.sum(first * second, axis=-1)))


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors of length 1."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def _at_masks(subject: Subject, inputs: Arrays, outputs: Arrays) -> np.ndarray:
    assert subject.model.tokenizer is not None
    return outputs["logits"][inputs[IDS] == subject.model.tokenizer.mask_token_id].argmax(-1)


def _of_tokens(_: Subject, inputs: Arrays, outputs: Arrays) -> np.ndarray:
    return outputs["logits"][inputs[MASK] > 0].argmax(-1)


def _of_texts(subject: Subject, _: Arrays, outputs: Arrays) -> np.ndarray:
    """A class, or whether each of several labels counts, or the value."""
    logits, model = outputs["logits"], subject.model
    if logits.shape[-1] == 1:
        return logits[:, 0]
    if model.problem_type == "multi_label_classification":
        least = HALF if model.threshold is None else model.threshold
        return (1 / (1 + np.exp(-logits.astype(np.float64))) >= least).ravel()
    return logits.argmax(-1)


def _of_answers(_: Subject, inputs: Arrays, outputs: Arrays) -> np.ndarray:
    seen = inputs[MASK] > 0
    ends = [np.where(seen, outputs[name], -np.inf).argmax(-1) for name in sorted(outputs)]
    return np.concatenate(ends)


def _vectors(_: Subject, inputs: Arrays, outputs: Arrays) -> np.ndarray:
    """The texts' vectors; where the client pools, its tokens' hidden states."""
    if VECTOR in outputs:
        return unit(outputs[VECTOR])
    return unit(outputs[HIDDEN][inputs[MASK] > 0])


DECISIONS: dict[str, Callable[[Subject, Arrays, Arrays], np.ndarray]] = {
    "masked_lm": _at_masks,
    "causal_lm": _of_tokens,
    "token_classification": _of_tokens,
    "classification": _of_texts,
    "question_answering": _of_answers,
    EMBEDDING: _vectors,
}
