"""Shapes of well-known models, so that a run can be planned before anything is downloaded."""

import difflib
from pathlib import Path

from distil_jax.errors import UserError
from distil_jax.models import EncoderConfig
from distil_jax.pretrained import locate
from distil_jax.pretrained.config_file import read_config
from distil_jax.tokenizer import BUILTIN_TEACHER

BERT_POSITIONS = 512


def _bert(vocabulary: int, width: int, layers: int, heads: int) -> EncoderConfig:
    return EncoderConfig(
        "bert", vocabulary, width, layers, heads, 4 * width, BERT_POSITIONS, token_types=2
    )


def _roberta(kind: str, vocabulary: int, width: int, layers: int, heads: int) -> EncoderConfig:
    return EncoderConfig(
        kind,
        vocabulary,
        width,
        layers,
        heads,
        4 * width,
        BERT_POSITIONS,
        position_offset=2,
        token_types=1,
        pad_token=1,
        norm_epsilon=1e-5,
    )


BERT_BASE = _bert(30522, 768, 12, 12)
BERT_LARGE = _bert(30522, 1024, 24, 16)
XLM_R = "xlm-roberta"
KNOWN = {
    "bert-base-uncased": BERT_BASE,
    "bert-base": BERT_BASE,
    "bert-base-cased": _bert(28996, 768, 12, 12),
    "bert-base-multilingual-cased": _bert(119547, 768, 12, 12),
    "bert-large-uncased": BERT_LARGE,
    "bert-large": BERT_LARGE,
    "bert-large-cased": _bert(28996, 1024, 24, 16),
    "roberta-base": _roberta("roberta", 50265, 768, 12, 12),
    "roberta-large": _roberta("roberta", 50265, 1024, 24, 16),
    "xlm-r-base": _roberta(XLM_R, 250002, 768, 12, 12),
    "xlm-roberta-base": _roberta(XLM_R, 250002, 768, 12, 12),
    "xlm-r-large": _roberta(XLM_R, 250002, 1024, 24, 16),
    "xlm-roberta-large": _roberta(XLM_R, 250002, 1024, 24, 16),
    # Its layers normalise before, not after, each block, which this package does not compute: the
    # size and the products are the same.
    "xlm-r-xl": _roberta(XLM_R, 250880, 2560, 36, 32),
    "xlm-roberta-xl": _roberta(XLM_R, 250880, 2560, 36, 32),
}


def shape_of(name: str) -> EncoderConfig:
    """The shape of a folder's model, or of a well-known name; raises `UserError` for others.

    A folder of that name comes first. An owner before the name (google-bert/) may be left out.
    """
    if Path(name).is_dir() or name == BUILTIN_TEACHER:
        return read_config(locate(name))[0]
    known = name.rpartition("/")[2].lower()
    if known in KNOWN:
        return KNOWN[known]
    near = difflib.get_close_matches(known, KNOWN, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(KNOWN)}"
    raise UserError(f"{name} is neither a model folder nor a shape that is known; {hint}")
