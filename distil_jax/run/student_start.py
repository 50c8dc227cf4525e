"""A student's first weights from its teacher's: as wide, or narrower by the config's rule.

Slicing, singular vectors and random weights need no data. Pruning is fitted on the run's own rows,
and so happens once these are there (`fitted`).
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from distil_jax.configuration.schema import Config
from distil_jax.data.masking import Masking, mask_rows
from distil_jax.data.store import Split, token_counts
from distil_jax.losses import IGNORE
from distil_jax.models import Encoder, EncoderConfig, initialize, student_from_teacher
from distil_jax.models.mlm_head_fit import fit_mlm_head
from distil_jax.models.narrowing import narrowed
from distil_jax.models.types import Batch, Params
from distil_jax.models.width_pruning import prune_width
from distil_jax.notes import note
from distil_jax.pretrained import Pretrained
from distil_jax.training.student import narrowing_rule, student_of

FIT_TOKENS, HEAD_TOKENS = 2**15, 2**17
"""Of the training rows, as many as a narrower encoder and its head are fitted on."""


def derive(config: Config, teacher: Pretrained, layers: tuple[int, ...]) -> Params:
    """The first weights of the student that `student_of` describes.

    Those of a pruned one are random until `fitted`.
    """
    key = jax.random.key(config.seed)
    shape = student_of(config, teacher.config, layers)
    rule = narrowing_rule(config, teacher.config)
    if rule in ("random", "prune"):
        return initialize(shape, key)
    wide, params = _same_width(config, teacher, layers)
    return params if rule == "copy" else narrowed(wide, shape, params, rule)


def fitted(
    config: Config,
    teacher: Pretrained,
    layers: tuple[int, ...],
    rows: Split,
    masking: Masking,
) -> Params:
    """The first weights of a pruned student, fitted on these rows, masked as in training."""
    wide, params = _same_width(config, teacher, layers)
    shape = student_of(config, teacher.config, layers)
    sizes = {name: getattr(shape, name) for name in ("hidden_size", "heads", "mlp_size")}
    batch = _masked_rows(rows, masking, config.seed, FIT_TOKENS)
    note(
        f"the narrower student ({shape.layers} x {shape.hidden_size}) is fitted to its teacher on "
        f"{batch['tokens'].size:,} tokens of the training rows, which takes a minute or more"
    )
    unlabelled = {name: batch[name] for name in ("tokens", "segments")}
    _, encoder = prune_width(wide, params["encoder"], unlabelled, **sizes)
    return with_head(config, shape, {"encoder": encoder}, rows, masking)


def with_head(
    config: Config, shape: EncoderConfig, params: Params, rows: Split, masking: Masking
) -> Params:
    """An encoder's parameters with a masked-LM head that is fitted on these rows."""
    encoder = params["encoder"]
    batch = _masked_rows(rows, masking, config.seed, HEAD_TOKENS)
    head = _fitted_head(shape, encoder, batch, _counts(rows, shape.vocabulary))
    fitted = {"encoder": encoder, "head": head}
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), fitted)


def _same_width(
    config: Config, teacher: Pretrained, layers: tuple[int, ...]
) -> tuple[EncoderConfig, Params]:
    return student_from_teacher(
        teacher.config,
        teacher.params,
        layers,
        fold_token_types=config.student.fold_token_types,
        keep_token_types=config.student.keep_token_types,
        copy_head=config.student.copy_head,
        key=jax.random.key(config.seed),
    )


def _masked_rows(rows: Split, masking: Masking, seed: int, tokens: int) -> dict[str, jax.Array]:
    """Rows spread over all of them, masked as in the first epoch."""
    count = min(max(1, tokens // rows.length), rows.rows)
    numbers = np.linspace(0, rows.rows - 1, count).astype(np.int32)
    found = rows.gather(numbers)
    key = jax.random.key(seed, impl="threefry2x32")
    masked, labels = mask_rows(
        masking,
        key,
        jnp.asarray(found["tokens"]),
        jnp.asarray(found["segments"]),
        jnp.zeros(count, jnp.int32),
        jnp.asarray(numbers),
    )
    return {"tokens": masked, "segments": jnp.asarray(found["segments"]), "labels": labels}


def _fitted_head(
    shape: EncoderConfig, encoder: Params, batch: Batch, counts: np.ndarray
) -> dict[str, Any]:
    """The masked-LM head that the narrow encoder's hidden states ask for."""
    size = max(1, FIT_TOKENS // batch["tokens"].shape[1])
    forward = jax.jit(Encoder(shape).apply)
    hidden, labels = [], []
    for start in range(0, len(batch["tokens"]), size):
        part = {name: rows[start : start + size] for name, rows in batch.items()}
        chosen = np.asarray(part["labels"]) != IGNORE
        rows = {name: part[name] for name in ("tokens", "segments")}
        hidden.append(np.asarray(forward({"params": encoder}, rows))[chosen])
        labels.append(np.asarray(part["labels"])[chosen])
    fitted = fit_mlm_head(
        np.concatenate(hidden),
        np.concatenate(labels),
        np.asarray(encoder["embeddings"]["tokens"]),
        counts,
        function=shape.head_activation,
        epsilon=shape.norm_epsilon,
    )
    return dict(fitted)


def _counts(rows: Split, vocabulary: int) -> np.ndarray:
    counts = np.zeros(vocabulary, np.int64)
    seen = token_counts(rows.folder)
    counts[: len(seen)] = seen
    return counts
