"""The model whose predictions of plain text are scored, and the teacher beside it."""

from distil_jax.errors import UserError
from distil_jax.pretrained import Head, Pretrained, load
from distil_jax.pretrained.model import check_vocabulary
from distil_jax.tokenizer import fingerprint


def load_models(name: str, teacher_name: str, head: Head) -> tuple[Pretrained, Pretrained | None]:
    """Both with this head; raises `UserError` for a teacher whose tokens are others."""
    model = load(name, require_head=head)
    assert model.tokenizer is not None
    check_vocabulary(model.tokenizer, model.config, name)
    if not teacher_name:
        return model, None
    teacher = load(teacher_name, require_head=head)
    assert teacher.tokenizer is not None
    if fingerprint(model.tokenizer) != fingerprint(teacher.tokenizer):
        raise UserError(
            f"teacher {teacher_name} has another tokenizer than {name}; "
            "their predictions cannot be compared token by token"
        )
    if teacher.config.vocabulary != model.config.vocabulary:
        raise UserError(
            f"teacher {teacher_name} has {teacher.config.vocabulary} vocabulary entries, "
            f"{name} {model.config.vocabulary}; use models with the same vocabulary"
        )
    return model, teacher
