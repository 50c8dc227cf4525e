"""What a model folder holds, in this package's terms."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from distil_jax.errors import UserError
from distil_jax.models import EncoderConfig

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from distil_jax.models.types import Params

Head = str
"""A key of `models.head_kinds.HEADS`."""


@dataclass(frozen=True)
class Pretrained:
    """A model with its tokenizer: float32 parameters, and the names of its classes.

    `params` has "encoder" and, unless `head` is None, "head"; `labels` is empty without a
    classification head. `tokenizer` may be None when saving a model without one. `problem_type` is
    what config.json says of a classifier: several labels of one text, or values; mostly nothing.
    `threshold` is the share from which one of several labels counts; None: none is stored.
    """

    config: EncoderConfig
    params: "Params"
    head: Head | None
    labels: tuple[str, ...]
    tokenizer: "PreTrainedTokenizerFast | None"
    problem_type: str = ""
    threshold: float | None = None


def check_vocabulary(
    tokenizer: "PreTrainedTokenizerFast", config: EncoderConfig, folder: str = ""
) -> None:
    """Refuse a tokenizer that knows more tokens than the model; raises `UserError`."""
    if len(tokenizer) > config.vocabulary:
        where = f"{folder}: " if folder else ""
        raise UserError(
            f"{where}the tokenizer has {len(tokenizer)} tokens, the model {config.vocabulary}; "
            "the two belong to different models"
        )
