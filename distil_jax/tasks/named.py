"""The tasks that `--task` takes: columns, labels, splits, scores, and GLUE's submission files.

A new kind of task is a file, its line in `KINDS`, and the tasks of that kind in `TASKS`.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class NamedTask:
    """What is fixed about a task.

    Attributes:
      kind: a key of `table.KINDS`.
      columns: of the text or the pair of texts; empty where the user or the table says.
      labels: class names in the order of their numbers; empty where the training table says.
      score: name of the main score, in `task_scores.DEFINITIONS`.
      hub: data set id and configuration name on the hub.
      validation: splits that are scored, the first being the main one.
      test: splits a submission is written for, with the file name the benchmark asks for.
      length: most tokens of a sequence (of a window, for spans), if the model has as many.
      standardise: a regression's values are standardised before they are learnt.
      submit_names: the benchmark asks for class names, not for class numbers.
      on_text: plain text is predicted, and no table of examples.
    """

    kind: str
    score: str
    columns: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    label: str = "label"
    hub: tuple[str, str | None] | None = None
    validation: tuple[str, ...] = ("validation",)
    test: dict[str, str] = field(default_factory=dict)
    length: int = 128
    epochs: int = 3
    standardise: bool = True
    submit_names: bool = False
    on_text: bool = False


def _glue(
    name: str,
    score: str,
    columns: tuple[str, ...],
    labels: tuple[str, ...],
    file: str,
    **further: Any,
) -> NamedTask:
    return NamedTask(
        kind="classification" if labels else "regression",
        score=score,
        columns=columns,
        labels=labels,
        hub=("nyu-mll/glue", name),
        test={"test": file},
        **further,
    )


KINDS = {
    "multilabel": "multilabel.MULTILABEL",
    "classification": "classification.CLASSIFICATION",
    "regression": "regression.REGRESSION",
    "question_answering": "question_answering.QUESTION_ANSWERING",
    "tokens": "tokens.TOKENS",
    "rerank": "rerank.POINTWISE",
    "rerank_margin": "rerank.MARGINS",
    "rerank_listwise": "rerank.LISTWISE",
    "masked_lm": "masked_lm.MASKED_LM",
    "causal_lm": "causal_lm.CAUSAL_LM",
}
"""Where each kind stands in this package, file and name; a folder is of the first that serves its
head. Loading them takes seconds, for which a
command's help does not wait: `table` does it."""

PAIR = ("sentence1", "sentence2")
ENTAILMENT = ("entailment", "not_entailment")

TASKS: dict[str, NamedTask] = {
    "cola": _glue(
        "cola", "matthews", ("sentence",), ("unacceptable", "acceptable"), "CoLA.tsv", epochs=5
    ),
    "sst2": _glue("sst2", "accuracy", ("sentence",), ("negative", "positive"), "SST-2.tsv"),
    "mrpc": _glue(
        "mrpc", "accuracy_f1", PAIR, ("not_equivalent", "equivalent"), "MRPC.tsv", epochs=5
    ),
    "stsb": _glue("stsb", "pearson_spearman", PAIR, (), "STS-B.tsv", epochs=5, standardise=False),
    "qqp": _glue(
        "qqp", "accuracy_f1", ("question1", "question2"), ("not_duplicate", "duplicate"), "QQP.tsv"
    ),
    "mnli": NamedTask(
        kind="classification",
        score="accuracy",
        columns=("premise", "hypothesis"),
        labels=("entailment", "neutral", "contradiction"),
        hub=("nyu-mll/glue", "mnli"),
        validation=("validation_matched", "validation_mismatched"),
        test={"test_matched": "MNLI-m.tsv", "test_mismatched": "MNLI-mm.tsv"},
        submit_names=True,
    ),
    "qnli": _glue(
        "qnli",
        "accuracy",
        ("question", "sentence"),
        ENTAILMENT,
        "QNLI.tsv",
        length=256,
        submit_names=True,
    ),
    "rte": _glue(
        "rte", "accuracy", PAIR, ENTAILMENT, "RTE.tsv", length=256, epochs=5, submit_names=True
    ),
    "wnli": _glue("wnli", "accuracy", PAIR, ENTAILMENT[::-1], "WNLI.tsv", epochs=5),
    "imdb": NamedTask(
        kind="classification",
        score="accuracy",
        columns=("text",),
        labels=("neg", "pos"),
        hub=("stanfordnlp/imdb", None),
        validation=("test",),
        length=512,
    ),
    "squad": NamedTask(
        kind="question_answering", score="f1", hub=("rajpurkar/squad", None), length=384
    ),
    "classification": NamedTask(kind="classification", score="accuracy", length=512),
    "regression": NamedTask(kind="regression", score="pearson_spearman", length=512),
    "question_answering": NamedTask(kind="question_answering", score="f1", length=384),
    "span": NamedTask(kind="question_answering", score="f1", length=384),
    "multilabel": NamedTask(kind="multilabel", score="micro_f1", label="", length=512),
    "tokens": NamedTask(kind="tokens", score="entity_f1", label="", length=256),
    "ner": NamedTask(kind="tokens", score="entity_f1", label="", length=256),
    **{
        name: NamedTask(kind=name, score="ndcg_10", label="", length=256)
        for name in ("rerank", "rerank_margin", "rerank_listwise")
    },
    "mlm": NamedTask(kind="masked_lm", score="accuracy", on_text=True),
    "causal_lm": NamedTask(kind="causal_lm", score="perplexity", on_text=True, length=1024),
}

VECTOR_TASKS = ("sts", "retrieval")
"""Tasks that a sentence model's vectors are scored on as they are, without a head."""

EARLIER_TASKS = ("span",)
"""Names that are still accepted; results made with them keep them."""
