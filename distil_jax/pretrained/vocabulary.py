"""A pretrained model with a part of its vocabulary."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from distil_jax.models import EncoderConfig
from distil_jax.models.types import Params
from distil_jax.models.vocabulary_rows import with_rows
from distil_jax.pretrained.families import family_of
from distil_jax.pretrained.model import Pretrained
from distil_jax.tokenizer import special_ids
from distil_jax.tokenizer.renumbering import with_tokens


def with_vocabulary(model: Pretrained, kept: Int[np.ndarray, " kept"]) -> Pretrained:
    """The model and its tokenizer with the tokens `kept` (`tokenizer.vocabulary_choice`) alone.

    For text whose tokens are all kept it computes what it did.
    """
    assert model.tokenizer is not None
    tokenizer = with_tokens(model.tokenizer, kept)
    pad = special_ids(tokenizer).pad
    config, params = with_rows(model.config, model.params, kept, pad_token=pad)
    config, params = _with_familys_positions(config, params)
    return replace(model, config=config, params=params, tokenizer=tokenizer)


def renumbered(model: Pretrained, kept: Int[np.ndarray, " kept"]) -> Pretrained:
    """The whole model under the smaller one's numbers, the tokens that are not kept behind them.

    Without a tokenizer: no text needs the numbers beyond.
    """
    others = np.setdiff1d(np.arange(model.config.vocabulary), kept)
    order = np.concatenate([kept, others])
    pad = int(np.flatnonzero(order == model.config.pad_token)[0])
    config, params = with_rows(model.config, model.params, order, pad_token=pad)
    return replace(model, config=config, params=params, tokenizer=None)


def _with_familys_positions(config: EncoderConfig, params: Params) -> tuple[EncoderConfig, Params]:
    """Without the position rows that come before the first, where the padding's number says so."""
    offset = family_of(config.model_type).position_offset(config.pad_token)
    unused = config.position_offset - offset
    if not unused:
        return config, params
    embeddings = params["encoder"]["embeddings"]
    positions = jnp.asarray(embeddings["positions"])[unused:]
    encoder = {**params["encoder"], "embeddings": {**embeddings, "positions": positions}}
    return replace(config, position_offset=offset), {**params, "encoder": encoder}
