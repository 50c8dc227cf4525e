"""The model card of a run's student."""

from collections.abc import Mapping
from pathlib import Path

from distil_jax.pretrained.card import model_card
from distil_jax.training.config import Config


def card(
    config: Config,
    *,
    made: Mapping[str, object],
    data: str,
    scores: Mapping[str, float | int | str],
    command: str,
) -> str:
    """The card of a student that `config` made; `made` adds to its recipe."""
    loss = config.loss
    recipe = {
        "loss weights (soft target / masked LM / cosine)": (
            f"{loss.soft_target:g} / {loss.masked_lm:g} / {loss.cosine:g}"
        ),
        "temperature": loss.temperature,
        "rows per step": config.batch.sequences,
        "learning rate": config.optimizer.learning_rate,
        **made,
    }
    return model_card(
        base_model=_name(config.teacher), recipe=recipe, data=data, scores=scores, command=command
    )


def _name(teacher: str) -> str | None:
    """What a card calls the teacher: its hub id, or the name of its folder."""
    if not teacher:
        return None
    if teacher.startswith("builtin:"):
        return f"distil_jax/{teacher.replace(':', '-')}"
    return Path(teacher).resolve().name if Path(teacher).exists() else teacher
