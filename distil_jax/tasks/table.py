"""The kinds of tasks, loaded: `named.KINDS` says where each of them stands."""

from importlib import import_module

from distil_jax.pretrained import Head
from distil_jax.tasks.kind import ExampleKind, Labels, TaskKind
from distil_jax.tasks.named import KINDS as PLACES


def _load(place: str) -> TaskKind:
    module, _, name = place.partition(".")
    return getattr(import_module(f"distil_jax.tasks.{module}"), name)


KINDS: dict[str, TaskKind] = {name: _load(place) for name, place in PLACES.items()}
EXAMPLE_KINDS: dict[str, ExampleKind] = {
    name: kind for name, kind in KINDS.items() if isinstance(kind, ExampleKind)
}


def kind_of_model(head: Head | None, labels: Labels, problem_type: str = "") -> ExampleKind | None:
    """The kind that a model folder was fine-tuned for; None if it has no head of one."""
    every = EXAMPLE_KINDS.values()
    return next((kind for kind in every if kind.serves(head, labels, problem_type)), None)


def kind_of_head(head: str | None) -> TaskKind | None:
    """A kind whose models have this head: all of them have the same outputs."""
    return next((kind for kind in KINDS.values() if kind.head == head), None)
