"""What all families' folders call each head; their modules are in `heads.py`."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class HeadKind:
    """What model folders and the hub call a head.

    Attributes:
      title: in messages.
      noun: what a model with it is, on its card.
      pipeline: the hub's tag of models that have it.
      suffix: of transformers' class, behind the family's name.
      labelled: its outputs are classes or values, whose names stand in config.json.
      usual: the dense maps of a family that names none of its own: path in the parameters and
        name in folders; `outputs` names their other dimension (see `pretrained.weights.sizes`).
      alike: suffixes of other classes whose kernels have the same names.
    """

    title: str
    noun: str
    pipeline: str
    suffix: str
    labelled: bool = False
    usual: Mapping[str, str] = field(default_factory=dict)
    outputs: str = "labels"
    alike: tuple[str, ...] = ()


HEADS: dict[str, HeadKind] = {
    "masked_lm": HeadKind(
        "masked-language-model head",
        "masked language model",
        "fill-mask",
        "ForMaskedLM",
        alike=("ForMultipleChoice",),
    ),
    "causal_lm": HeadKind(
        "language-model head", "causal language model", "text-generation", "LMHeadModel"
    ),
    "classification": HeadKind(
        "sequence-classification head",
        "text classifier",
        "text-classification",
        "ForSequenceClassification",
        labelled=True,
        alike=("ForTokenClassification", "ForMultipleChoice"),
    ),
    "question_answering": HeadKind(
        "question-answering head",
        "question-answering model",
        "question-answering",
        "ForQuestionAnswering",
        usual={"outputs": "qa_outputs"},
        outputs="two",
        alike=("ForMultipleChoice",),
    ),
    "token_classification": HeadKind(
        "token-classification head",
        "token classifier",
        "token-classification",
        "ForTokenClassification",
        labelled=True,
        usual={"classifier": "classifier"},
        alike=("ForSequenceClassification", "ForMultipleChoice"),
    ),
}
"""In the order in which a folder is asked for them."""
