"""Exact match and F1 as SQuAD 1.1's official script defines them (Rajpurkar et al. 2016)."""

import re
import string
from collections import Counter
from collections.abc import Sequence

ARTICLES = re.compile(r"\b(a|an|the)\b")
PUNCTUATION = set(string.punctuation)


def normalise(answer: str) -> str:
    """Lower case, without punctuation and articles, white space as single blanks."""
    words = "".join(character for character in answer.lower() if character not in PUNCTUATION)
    return " ".join(ARTICLES.sub(" ", words).split())


def exact_match(prediction: str, answers: Sequence[str]) -> float:
    """1 if the prediction equals one of the answers, else 0."""
    return float(any(normalise(prediction) == normalise(answer) for answer in answers))


def f1(prediction: str, answers: Sequence[str]) -> float:
    """The best F1 of the words of the prediction and of one of the answers, 0 to 1."""
    return max(_word_f1(normalise(prediction).split(), normalise(text).split()) for text in answers)


def _word_f1(predicted: list[str], right: list[str]) -> float:
    common = (Counter(predicted) & Counter(right)).total()
    if not common:
        return 0.0
    precision, recall = common / len(predicted), common / len(right)
    return 2 * precision * recall / (precision + recall)
