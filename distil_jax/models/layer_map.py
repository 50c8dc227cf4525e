"""Which hidden state of the teacher each hidden state of a student is compared with.

Hidden state 0 is what the embeddings give, n what layer n gives, counted from 1.
"""

from collections.abc import Callable

from distil_jax.errors import UserError

LayerMap = tuple[tuple[int, int], ...]
"""Pairs of a student's and its teacher's hidden state, by the student's."""


def layer_map(text: str, student_layers: int, teacher_layers: int) -> LayerMap:
    """The pairs that a rule, or a list as in "0:0,1:2,2:4", gives two models of these depths.

    evenly_spaced: layer m takes the teacher's round(m N / M), as TinyBERT's g(m); every_last: the M
    layers take the teacher's last M; last: the last layer takes the last; skip and patient_last:
    the same as evenly_spaced and every_last without the last layer, as in patient distillation
    (Sun et al. 2019, PKD-Skip and PKD-Last). Raises `UserError` for anything else, and for layers
    that are not there.
    """
    plain = text.strip()
    pairs = RULES[plain](student_layers, teacher_layers) if plain in RULES else _listed(plain)
    if not pairs:
        raise UserError(f"the rule {plain} leaves no layer of a student of {student_layers}")
    for name, layers, numbers in (
        ("student", student_layers, [student for student, _ in pairs]),
        ("teacher", teacher_layers, [teacher for _, teacher in pairs]),
    ):
        wrong = [number for number in numbers if not 0 <= number <= layers]
        if wrong:
            raise UserError(
                f"the {name} has no layer {wrong[0]}; it has {layers}: use 0 (the embeddings) to "
                f"{layers}"
            )
    if len({student for student, _ in pairs}) < len(pairs):
        raise UserError("a student layer is there twice; give each one teacher layer")
    return tuple(sorted(pairs))


def _listed(text: str) -> LayerMap:
    try:
        pairs = [part.split(":") for part in text.split(",")]
        return tuple((int(student), int(teacher)) for student, teacher in pairs)
    except ValueError:
        raise UserError(
            f"{text!r} is no layer map; use {', '.join(RULES)}, or pairs STUDENT:TEACHER such as "
            "0:0,1:2"
        ) from None


def _evenly_spaced(student: int, teacher: int) -> LayerMap:
    return tuple((n, (2 * n * teacher + student) // (2 * student)) for n in range(1, student + 1))


def _every_last(student: int, teacher: int) -> LayerMap:
    return tuple((n, teacher - student + n) for n in range(1, student + 1))


def _skip(student: int, teacher: int) -> LayerMap:
    return _evenly_spaced(student, teacher)[:-1]


def _patient_last(student: int, teacher: int) -> LayerMap:
    """Student layers 1 to M - 1 and teacher layers N - M + 1 to N - 1."""
    return _every_last(student, teacher)[:-1]


def _last(student: int, teacher: int) -> LayerMap:
    return ((student, teacher),)


RULES: dict[str, Callable[[int, int], LayerMap]] = {
    "evenly_spaced": _evenly_spaced,
    "every_last": _every_last,
    "last": _last,
    "skip": _skip,
    "patient_last": _patient_last,
}
