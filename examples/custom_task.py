"""A task of your own: columns, labels and a score, then `evaluate` as for any other.

python examples/custom_task.py MODEL TRAIN.jsonl VALIDATION.jsonl OUTPUT [EVALUATE FLAGS]

The tables have `title`, `text` and `label`, one to five stars; a prediction that is one star off
counts as right. Fine-tuning, seeds, distillation into the task and reports work as they are.
"""

import sys

import numpy as np

from distil_jax import evaluate
from distil_jax.tasks.named import TASKS, NamedTask
from distil_jax.tasks.task_scores import Metrics, Score, accuracy, add_score


def within_one(predicted: np.ndarray, labels: np.ndarray) -> Metrics:
    """Points of 100: predictions at most one star off, and the exact ones beside them."""
    near = np.abs(predicted - labels) <= 1
    return {"within_one": 100 * float(near.mean()), **accuracy(predicted, labels)}


add_score("within_one", Score("share of the predictions at most one star off", within_one))
TASKS["stars"] = NamedTask(
    kind="classification",
    score="within_one",
    columns=("title", "text"),
    labels=("1", "2", "3", "4", "5"),
    length=256,
)


def main(model: str, train: str, validation: str, output: str, *flags: str) -> None:
    """Fine-tune a model on the task and score it."""
    folders = [f"--model={model}", f"--train={train}", f"--validation={validation}"]
    evaluate.main(["--task=stars", *folders, f"--output={output}", *flags])


if __name__ == "__main__":
    main(*sys.argv[1:])
