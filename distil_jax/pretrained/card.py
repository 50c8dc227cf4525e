"""The model card: README.md of a model folder, with the YAML header that the hub reads."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from distil_jax.errors import UserError
from distil_jax.models.head_kinds import HEADS

SCORES, COMMAND = "## Scores\n\n", "## Made with\n"

SUMMARY = (
    "A BERT-family encoder made smaller and faster by distillation: soft targets, masked-language "
    "modelling and the cosine of hidden states, as in DistilBERT (arXiv:1910.01108)."
)


@dataclass(frozen=True)
class CardHeader:
    """What the hub reads of a card.

    `base_model` and `datasets` are hub ids; leave them out for a local teacher or corpus, whose
    names the hub cannot link. What `license` and `language` are is the teacher's and the corpus's
    business: without them the card says nothing. `head` decides the pipeline, if none is named.
    """

    head: str | None = "masked_lm"
    license: str | None = None
    base_model: str | None = None
    tags: Sequence[str] = ()
    datasets: Sequence[str] = ()
    language: Sequence[str] = ()
    library: str = "transformers"
    pipeline: str = ""

    def yaml(self) -> str:
        """The lines between the card's dashes."""
        values: dict[str, object] = {
            "license": self.license,
            "language": list(self.language),
            "library_name": self.library,
            "pipeline_tag": self.pipeline or _pipeline(self.head),
            "tags": ["distillation", "jax", "distil_jax", *self.tags],
            "base_model": self.base_model,
            "datasets": list(self.datasets),
        }
        return _yaml({name: value for name, value in values.items() if value})


def sentence_header(base_model: str | None = None) -> CardHeader:
    """The header of a model of sentence embeddings."""
    return CardHeader(
        head=None,
        base_model=base_model,
        tags=("sentence-transformers",),
        library="sentence-transformers",
        pipeline="sentence-similarity",
    )


def _pipeline(head: str | None) -> str:
    return HEADS[head].pipeline if head else "feature-extraction"


def model_noun(head: str | None) -> str:
    """What a model with this head is."""
    kind = HEADS.get(head or "")
    return kind.noun if kind else "text encoder"


def model_card(
    header: CardHeader,
    *,
    recipe: Mapping[str, object],
    data: str,
    scores: Mapping[str, float | int | str],
    command: str,
    title: str = "Student made with distil_jax",
    summary: str = SUMMARY,
) -> str:
    """A card in Markdown: header, one paragraph, recipe, data, scores and command.

    Floats appear with four digits, all else as given.
    """
    sections = [
        f"---\n{header.yaml()}---\n",
        f"# {title}\n\n{summary.strip()}\n",
        f"## Recipe\n\n{_table('setting', recipe)}",
        f"## Data\n\n{data.strip()}\n",
        *([_scores(scores)] if scores else []),
        f"{COMMAND}\n```\n{command.strip()}\n```\n",
    ]
    return "\n".join(sections)


def scores_of(card: str) -> dict[str, str]:
    """The rows of a card's table of scores: value by measure; none of a card made elsewhere."""
    before, _, _ = card.partition(COMMAND)
    _, _, table = before.partition(SCORES)
    rows = (line.strip("| ").replace("\\|", "\0").split("|") for line in table.splitlines()[2:])
    cells = ([cell.strip().replace("\0", "|") for cell in row] for row in rows)
    return {row[0]: row[1] for row in cells if len(row) == 2}


def with_scores(card: str, scores: Mapping[str, float | int | str]) -> str:
    """The card with these rows in its table of scores, in place of any of the same names.

    Raises `UserError` for a card that `model_card` did not write.
    """
    before, command, after = card.partition(COMMAND)
    if not command:
        raise UserError("the model card is not one of distil_jax; export the model again")
    kept, _, _ = before.partition(SCORES)
    return f"{kept}{_scores(scores_of(card) | dict(scores))}\n{command}{after}"


def _scores(scores: Mapping[str, float | int | str]) -> str:
    return f"{SCORES}{_table('measure', scores)}"


def _yaml(header: Mapping[str, object]) -> str:
    """YAML of strings and lists; JSON strings are YAML strings, whatever they hold."""
    lines = []
    for key, value in header.items():
        if isinstance(value, list):
            lines += [f"{key}:", *(f"- {json.dumps(item)}" for item in value)]
        else:
            lines.append(f"{key}: {json.dumps(value)}")
    return "\n".join(lines) + "\n"


def _table(title: str, values: Mapping[str, object]) -> str:
    rows = [f"| {_cell(name)} | {_cell(value)} |" for name, value in values.items()]
    return "\n".join([f"| {title} | value |", "|---|---|", *rows]) + "\n"


def _cell(value: object) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return " ".join(text.split()).replace("|", "\\|")
