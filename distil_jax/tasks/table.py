"""The kinds of tasks. A new kind is a file and its line here."""

from distil_jax.pretrained import Head
from distil_jax.tasks.classification import CLASSIFICATION
from distil_jax.tasks.kind import ExampleKind, Labels, TaskKind
from distil_jax.tasks.masked_lm import MASKED_LM
from distil_jax.tasks.question_answering import QUESTION_ANSWERING
from distil_jax.tasks.regression import REGRESSION

EXAMPLE_KINDS: dict[str, ExampleKind] = {
    kind.name: kind for kind in (CLASSIFICATION, REGRESSION, QUESTION_ANSWERING)
}
KINDS: dict[str, TaskKind] = {**EXAMPLE_KINDS, MASKED_LM.name: MASKED_LM}


def kind_of_model(head: Head | None, labels: Labels) -> ExampleKind | None:
    """The kind that a model folder was fine-tuned for; None if it has no head of one."""
    return next((kind for kind in EXAMPLE_KINDS.values() if kind.serves(head, labels)), None)


def kind_of_head(head: str | None) -> TaskKind | None:
    """A kind whose models have this head: all of them have the same outputs."""
    return next((kind for kind in KINDS.values() if kind.head == head), None)
