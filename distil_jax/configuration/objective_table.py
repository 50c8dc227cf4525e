"""The table of objectives, as far as a config needs them: it imports no JAX."""

from collections.abc import Iterable
from dataclasses import dataclass

from distil_jax.configuration import objective_options as options
from distil_jax.configuration.key import Key
from distil_jax.configuration.vector_options import (
    CONTRASTIVE,
    PAIR_MSE,
    SIMILARITY_KL,
    SIMILARITY_MSE,
)


@dataclass(frozen=True)
class ObjectiveEntry:
    """An objective that a config can weigh as `config.loss.NAME`.

    Attributes:
      name: a Python identifier; of its weight, its schedule and its logged values.
      module: where the `objectives` package imports it from, once it is used.
      weight: the default of its weight; 0: off.
      summary: what it is, in a line.
      options: keys of its own, `config.loss.options.NAME.KEY`, with the last part for a name.
      needs_teacher: whether it compares the student with a teacher.
      of_vectors: it is of a vector for each sentence: the models are sentence models, without a
        masked-LM head, and nothing is masked.
      of_pairs: it compares the two texts of pairs; rows must hold pairs.
      title: what cards and sweeps call it; empty: its name.
      label: the title of its curves, with the unit; empty: its title.
      figure: what tables of held-out figures call it; empty: its label.
      digits: behind the point of such a figure.
    """

    name: str
    module: str
    weight: float
    summary: str
    options: tuple[Key, ...] = ()
    needs_teacher: bool = True
    title: str = ""
    label: str = ""
    of_vectors: bool = False
    of_pairs: bool = False
    figure: str = ""
    digits: int = 4


OBJECTIVES: dict[str, ObjectiveEntry] = {
    "soft_target": ObjectiveEntry(
        "soft_target",
        "distil_jax.objectives.soft_target",
        5.0,
        "KL divergence of the tempered distributions of teacher and student",
        options=(
            Key(
                "divergence",
                "forward",
                "forward: KL(teacher || student), the published one; reverse: KL(student || "
                "teacher); jensen_shannon: the mean of both against half of each.",
                choices=("forward", "reverse", "jensen_shannon"),
            ),
            Key(
                "top_k",
                0,
                "Compare so many of the teacher's likeliest tokens, and all others as one; 0: each "
                "token, or as many as config.targets holds.",
                at_least=0,
            ),
        ),
        title="soft targets",
        label="soft target (nats x T^2)",
    ),
    "masked_lm": ObjectiveEntry(
        "masked_lm",
        "distil_jax.objectives.masked_lm",
        2.0,
        "cross-entropy of the masked tokens",
        needs_teacher=False,
        title="masked LM",
        label="masked LM (nats)",
    ),
    "causal_lm": ObjectiveEntry(
        "causal_lm",
        "distil_jax.objectives.causal_lm",
        0.0,
        "cross-entropy of each next token, of a causal model such as GPT-2",
        needs_teacher=False,
        title="causal LM",
        label="causal LM (nats)",
    ),
    "cosine": ObjectiveEntry(
        "cosine",
        "distil_jax.objectives.cosine",
        1.0,
        "cosine distance of the last hidden states",
        title="cosine",
        label="1 - cosine",
    ),
    "logit_mse": ObjectiveEntry(
        "logit_mse",
        "distil_jax.objectives.logit_mse",
        0.0,
        "squared distance of the logits",
        title="squared distance of logits",
    ),
    "relations": ObjectiveEntry(
        "relations",
        "distil_jax.objectives.relations",
        0.0,
        "KL divergence of the self-attention relations of one layer (MiniLMv2)",
        options.RELATIONS,
        label="relations (nats)",
    ),
    "hidden_mse": ObjectiveEntry(
        "hidden_mse",
        "distil_jax.objectives.hidden_mse",
        0.0,
        "squared distance of mapped layers' hidden states, projected (TinyBERT)",
        options.HIDDEN,
        title="squared distance of hidden states",
    ),
    "hidden_cosine": ObjectiveEntry(
        "hidden_cosine",
        "distil_jax.objectives.hidden_cosine",
        0.0,
        "cosine distance of mapped layers' hidden states, projected where widths differ",
        options.LAST_HIDDEN,
        title="cosine of mapped layers",
        label="1 - cosine, summed over the mapped layers",
    ),
    "patient": ObjectiveEntry(
        "patient",
        "distil_jax.objectives.patient",
        0.0,
        "squared distance of the first tokens' normalised states (patient distillation)",
        options.PATIENT,
        title="first tokens' states",
    ),
    "attention_mse": ObjectiveEntry(
        "attention_mse",
        "distil_jax.objectives.attention_mse",
        0.0,
        "squared distance of mapped layers' attention scores before the softmax (TinyBERT)",
        options.ATTENTION,
        title="squared distance of attention scores",
    ),
    "vector_cosine": ObjectiveEntry(
        "vector_cosine",
        "distil_jax.objectives.vector_cosine",
        0.0,
        "cosine distance of the sentences' vectors",
        title="cosine of sentence vectors",
        label="1 - cosine of sentence vectors",
        of_vectors=True,
        figure="1 - cosine",
    ),
    "similarity_mse": ObjectiveEntry(
        "similarity_mse",
        "distil_jax.objectives.similarity_mse",
        0.0,
        "squared distance of the cosines of every two sentences of a group of rows",
        SIMILARITY_MSE,
        title="similarities of sentences",
        label="squared distance of cosines",
        of_vectors=True,
        figure="similarity MSE",
        digits=5,
    ),
    "similarity_kl": ObjectiveEntry(
        "similarity_kl",
        "distil_jax.objectives.similarity_kl",
        0.0,
        "KL divergence of the softmax of a sentence's cosines with the others of a group of rows",
        SIMILARITY_KL,
        title="neighbours of sentences",
        label="similarity KL (nats)",
        of_vectors=True,
        figure="similarity KL",
    ),
    "contrastive": ObjectiveEntry(
        "contrastive",
        "distil_jax.objectives.contrastive",
        0.0,
        "cross-entropy of a text's partner among those of a group of rows (data.column=a,b)",
        CONTRASTIVE,
        needs_teacher=False,
        title="pairs of texts",
        label="contrastive (nats)",
        of_vectors=True,
        of_pairs=True,
        figure="contrastive",
        digits=3,
    ),
    "pair_mse": ObjectiveEntry(
        "pair_mse",
        "distil_jax.objectives.pair_mse",
        0.0,
        "squared distance of a pair's cosine and a cross-encoder's score (data.column=a,b)",
        PAIR_MSE,
        title="scores of pairs",
        label="squared distance of scores",
        of_vectors=True,
        of_pairs=True,
        figure="score MSE",
        digits=5,
    ),
}
"""All that there are, by name, in the order of logs and reports."""

LANGUAGE_LOSSES = ("masked_lm", "causal_lm")
"""Cross-entropies of tokens; a model has the one or the other."""

TAKEN = ("temperature", "schedules", "positions", "chunk", "options")
"""Keys of `config.loss` that are no weights."""


def register(entry: ObjectiveEntry) -> None:
    """Add an objective, before a config with it is read; raises `ValueError` for a name in use."""
    if entry.name in OBJECTIVES or entry.name in TAKEN or not entry.name.isidentifier():
        raise ValueError(f"an objective cannot be called {entry.name!r}: it is no name, or in use")
    OBJECTIVES[entry.name] = entry


def unregister(name: str) -> None:
    """Remove an objective that was registered."""
    del OBJECTIVES[name]


def language_loss(figures: Iterable[str]) -> str:
    """Which of `LANGUAGE_LOSSES` is among the names of figures; empty where none is."""
    names = set(figures)
    return next((name for name in LANGUAGE_LOSSES if name in names), "")


def titles() -> dict[str, str]:
    """What every objective is called in words."""
    return {name: entry.title or name.replace("_", " ") for name, entry in OBJECTIVES.items()}


def figures_of_vectors() -> list[tuple[str, str, str]]:
    """Name, title and form of the held-out figure of each objective of sentence vectors."""
    return [
        (name, f"held-out {entry.figure or labels()[name]}", f"{{:.{entry.digits}f}}")
        for name, entry in OBJECTIVES.items()
        if entry.of_vectors
    ]


def labels() -> dict[str, str]:
    """The title of every objective's curves."""
    return {name: OBJECTIVES[name].label or title for name, title in titles().items()}
