"""The benchmarks' scores, in points from 0 to 100; scikit-learn and scipy do the statistics.

They take seconds to import, which nobody who only labels text has to wait for: each score imports
what it needs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from distil_jax.tasks import squad_score

Metrics = dict[str, float]


@dataclass(frozen=True)
class Score:
    """A main score: its definition in words, and all metrics from predictions and labels."""

    definition: str
    metrics: Callable[[np.ndarray, np.ndarray], Metrics]


def accuracy(predicted: np.ndarray, labels: np.ndarray) -> Metrics:
    """Share of right predictions, and the mean of the classes' F1 (macro)."""
    from sklearn.metrics import f1_score

    macro = f1_score(labels, predicted, average="macro", zero_division=0)
    return {"accuracy": _accuracy(predicted, labels), "macro_f1": 100 * float(macro)}


def accuracy_f1(predicted: np.ndarray, labels: np.ndarray) -> Metrics:
    """Accuracy, F1 of class 1, and their mean (MRPC, QQP)."""
    from sklearn.metrics import f1_score

    share = _accuracy(predicted, labels)
    f1 = 100 * float(f1_score(labels, predicted, pos_label=1, zero_division=0))
    return {"accuracy_f1": (share + f1) / 2, "accuracy": share, "f1": f1}


def matthews(predicted: np.ndarray, labels: np.ndarray) -> Metrics:
    """Matthews' correlation, 0 where only one class is predicted (CoLA)."""
    from sklearn.metrics import matthews_corrcoef

    correlation = 0.0
    if len(np.unique(predicted)) > 1:
        correlation = 100 * float(matthews_corrcoef(labels, predicted))
    return {"matthews": correlation, "accuracy": _accuracy(predicted, labels)}


def pearson_spearman(predicted: np.ndarray, labels: np.ndarray) -> Metrics:
    """Pearson's and Spearman's correlations and their mean, 0 where the predictions are constant.

    `mean_squared_error` is in the labels' own units.
    """
    from scipy.stats import pearsonr, spearmanr
    from sklearn.metrics import mean_squared_error

    predicted, labels = predicted.astype(np.float64), labels.astype(np.float64)
    pearson = spearman = 0.0
    if len(np.unique(predicted)) > 1 and len(np.unique(labels)) > 1:
        pearson = 100 * float(pearsonr(predicted, labels).statistic)
        spearman = 100 * float(spearmanr(predicted, labels).statistic)
    error = float(mean_squared_error(labels, predicted))
    mean = (pearson + spearman) / 2
    return {
        "pearson_spearman": mean,
        "pearson": pearson,
        "spearman": spearman,
        "mean_squared_error": error,
    }


def spans(predicted: Sequence[str], answers: Sequence[Sequence[str]]) -> Metrics:
    """Exact match and F1, means over the questions (SQuAD 1.1)."""
    pairs = list(zip(predicted, answers, strict=True))
    return {
        "f1": 100 * float(np.mean([squad_score.f1(text, right) for text, right in pairs])),
        "exact_match": 100
        * float(np.mean([squad_score.exact_match(text, right) for text, right in pairs])),
    }


def label_sets_scores(predicted: np.ndarray, labels: np.ndarray) -> Metrics:
    """F1 over all labels (micro), its mean over them (macro), and the share of right sets.

    Both arrays are bool [examples, labels].
    """
    from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

    def percent(score: Callable[..., float], average: str) -> float:
        if labels.shape[1] == 1:  # scikit-learn reads a column alone as two classes
            return 100 * float(score(labels[:, 0], predicted[:, 0], zero_division=0))
        return 100 * float(score(labels, predicted, average=average, zero_division=0))

    return {
        "micro_f1": percent(f1_score, "micro"),
        "macro_f1": percent(f1_score, "macro"),
        "micro_precision": percent(precision_score, "micro"),
        "micro_recall": percent(recall_score, "micro"),
        "exact_sets": 100 * float(accuracy_score(labels, predicted)),
    }


SCORES: dict[str, Score] = {
    "accuracy": Score("share of right predictions, in percent", accuracy),
    "accuracy_f1": Score("mean of accuracy and F1 of class 1, in percent", accuracy_f1),
    "matthews": Score("Matthews correlation coefficient times 100", matthews),
    "pearson_spearman": Score(
        "mean of Pearson's and Spearman's correlation, times 100", pearson_spearman
    ),
}
DEFINITIONS = {name: score.definition for name, score in SCORES.items()} | {
    "micro_f1": "F1 over all labels of all texts (micro average), in percent",
    "ndcg_10": "nDCG of the first ten documents, mean over the queries, times 100",
    "entity_f1": "F1 of entities whose words and type are all right, over all types, in percent",
    "f1": "F1 of the answer's words with the official SQuAD 1.1 normalisation, mean, in percent",
}


def _accuracy(predicted: np.ndarray, labels: np.ndarray) -> float:
    from sklearn.metrics import accuracy_score

    return 100 * float(accuracy_score(labels, predicted))


def add_score(name: str, score: Score) -> None:
    """Let tasks of your own name a score; raises `ValueError` for a name in use."""
    if name in DEFINITIONS:
        raise ValueError(f"a score cannot be called {name!r}: the name is in use")
    SCORES[name] = score
    DEFINITIONS[name] = score.definition
