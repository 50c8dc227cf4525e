"""Options of the objectives, `config.loss.options.NAME.KEY`; names here are the last part."""

from collections.abc import Mapping
from typing import Any

from distil_jax.configuration.key import Key

TEACHER = Key(
    "teacher",
    0,
    "Which teacher it compares with, by its place in the list of teachers, from 0.",
    at_least=0,
)
PROJECTION = Key(
    "projection",
    "auto",
    "A trained matrix from the student's width to the teacher's for each pair of layers: auto "
    "(where the widths differ), always, or none. Kept in checkpoints, not in the student.",
    choices=("auto", "always", "none"),
)
LAYERS = (
    "Which student layer is compared with which teacher layer: evenly_spaced (the last with the "
    "last, equal steps before), every_last (the teacher's last layers), last, skip and "
    "patient_last (evenly_spaced and every_last without the last layer), or pairs "
    "STUDENT:TEACHER such as 0:0,1:2,2:4. 0 is the embeddings, n what layer n gives."
)

RELATIONS = (
    Key(
        "kinds",
        "query,key,value",
        "Relations compared, added up: query, key, value (each with itself), or a mixed pair such "
        "as query-key (MiniLM's attention transfer), separated by commas.",
    ),
    Key(
        "heads",
        0,
        "Relation heads; they must divide both widths. 0: 48, or else 12, or else the teacher's "
        "or the student's attention heads, whichever divides both first and leaves 8 a head.",
        at_least=0,
    ),
    Key(
        "teacher_layer",
        0,
        "The teacher's layer, from 1; 0: the last, but 21 of 24.",
        at_least=0,
    ),
    Key("student_layer", 0, "The student's layer, from 1; 0: the last.", at_least=0),
    TEACHER,
)
HIDDEN = (Key("layers", "evenly_spaced", LAYERS), PROJECTION, TEACHER)
LAST_HIDDEN = (Key("layers", "last", LAYERS), PROJECTION, TEACHER)
PATIENT = (Key("layers", "skip", LAYERS), PROJECTION, TEACHER)
ATTENTION = (Key("layers", "evenly_spaced", LAYERS), TEACHER)


def defaults(options: tuple[Key, ...]) -> Mapping[str, Any]:
    """The options of an objective that nobody set."""
    return {key.name: key.default for key in options}
