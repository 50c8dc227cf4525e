"""The rows of a model that belong to tokens: of the embeddings and of the masked-LM decoder."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from distil_jax.models.config import EncoderConfig
from distil_jax.models.types import Params


def with_rows(
    config: EncoderConfig, params: Params, kept: Int[np.ndarray, " kept"], *, pad_token: int
) -> tuple[EncoderConfig, Params]:
    """The model whose token n is token `kept[n]` of this one; a permutation renumbers its tokens.

    Works with and without a head. `pad_token` is the padding token's new number.
    """
    embeddings = params["encoder"]["embeddings"]
    tokens = jnp.asarray(embeddings["tokens"])[kept]
    encoder = {**params["encoder"], "embeddings": {**embeddings, "tokens": tokens}}
    rows: dict[str, object] = {"encoder": encoder}
    if "head" in params:
        head = params["head"]
        own = {name: jnp.asarray(head[name])[kept] for name in ("bias", "table") if name in head}
        rows["head"] = {**head, **own}
    return replace(config, vocabulary=len(kept), pad_token=pad_token), {**params, **rows}
