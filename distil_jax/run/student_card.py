"""The model card of a run's student."""

from collections.abc import Mapping
from pathlib import Path

from distil_jax.configuration.objective_table import OBJECTIVES, titles
from distil_jax.configuration.schema import Config
from distil_jax.objectives import get
from distil_jax.pretrained.card import SUMMARY, CardHeader, model_card, model_noun, sentence_header
from distil_jax.storage.address import basename, is_url

DISTILBERT = {"soft_target", "masked_lm", "cosine"}


def card(
    config: Config,
    *,
    recipe: Mapping[str, object],
    data: str,
    scores: Mapping[str, float | int | str],
    command: str,
    head: str = "masked_lm",
) -> str:
    """The card of a student that `config` made; `recipe` adds to what the config tells."""
    loss = config.loss
    lines = {
        f"loss weights ({' / '.join(_titles(config))})": (
            " / ".join(f"{loss.weight(name):g}" for name in loss.active)
        ),
        **({"temperature": loss.temperature} if _softened(config) else {}),
        **_options(config),
        "rows per step": config.batch.size,
        "learning rate": config.optimizer.learning_rate,
        **recipe,
    }
    name = _name(config.teacher or config.student.folder)
    language_model = CardHeader(head=head, base_model=name)
    kind = "sentence-embedding model" if loss.of_vectors else model_noun(head)
    return model_card(
        sentence_header(base_model=name) if loss.of_vectors else language_model,
        recipe=lines,
        data=data,
        scores=scores,
        command=command,
        summary=_summary(config, kind),
    )


def _summary(config: Config, kind: str) -> str:
    if set(config.loss.active) == DISTILBERT:
        return SUMMARY
    learnt = ", ".join(_titles(config))
    how = "distilled"
    if not (config.teacher or config.targets):
        how = "trained further" if config.student.folder else "pretrained"
    return f"A {kind}, {how} with distil_jax; it learnt from: {learnt}."


def _titles(config: Config) -> list[str]:
    """What the active objectives are called; a run's own may not be registered in this program."""
    return [titles().get(name, name.replace("_", " ")) for name in config.loss.active]


def _softened(config: Config) -> bool:
    """Whether an active objective that is known here depends on the temperature."""
    return any(get(name).softened for name in config.loss.active if name in OBJECTIVES)


def _options(config: Config) -> Mapping[str, object]:
    """What only some runs use: named where it is used."""
    loss = config.loss
    scheduled = {f"schedule of {k}": v for k, v in loss.schedules.items() if v}
    options = {
        "optimizer": config.optimizer.name if config.optimizer.name != "adamw" else "",
        "frozen": config.student.freeze if config.student.freeze != "none" else "",
        "soft targets at": "masked tokens alone" if loss.positions == "masked" else "",
    }
    return {name: value for name, value in options.items() if value} | scheduled


def _name(teacher: str) -> str | None:
    """What a card calls the teacher or first weights: their hub id, or the name of their folder."""
    if not teacher:
        return None
    if teacher.startswith("builtin:"):
        return f"distil_jax/{teacher.replace(':', '-')}"
    if is_url(teacher):
        return basename(teacher)
    return Path(teacher).resolve().name if Path(teacher).exists() else teacher
