"""A narrower model from a wide one without data: by slicing, or by singular vectors.

Both choose a basis E [hidden, narrow hidden] of the hidden state, heads, what of each head, and
inner neurons. Slicing takes the first of each. The singular vectors are those of the token table;
each head's products query key^T and value output are replaced by their best approximations of the
narrow head's rank, biases included, and the neurons kept are those whose maps are the largest; of
the heads it takes the first. LayerNorms between are taken dimension by dimension, so neither keeps
the function: `width_pruning` fits it on text.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from distil_jax.errors import UserError
from distil_jax.models.config import EncoderConfig
from distil_jax.models.types import Params

Kernel = np.ndarray
Tree = Any
PROJECTIONS = ("query", "key", "value")


def narrow_shape(
    config: EncoderConfig, *, hidden_size: int, heads: int, mlp_size: int
) -> EncoderConfig:
    """The shape with these sizes; 0: as it is, in proportion to the hidden size.

    Heads keep their size where they are not named and it divides the hidden size, else their
    number. Raises `UserError` for a hidden size that is no multiple of the heads.
    """
    width = hidden_size or config.hidden_size
    usual = width // config.head_size if width % config.head_size == 0 else config.heads
    inner = mlp_size or max(1, config.mlp_size * width // config.hidden_size)
    heads = heads or usual
    if width % heads:
        raise UserError(
            f"config.student.hidden_size={width} is no multiple of {heads} heads; set "
            "config.student.heads to a divisor of it"
        )
    return replace(config, hidden_size=width, heads=heads, mlp_size=inner)


def check_narrower(config: EncoderConfig, small: EncoderConfig, rule: str) -> None:
    """Refuse sizes that `rule` (prune, slice or svd) cannot make of a wide model's weights."""
    sizes = {"hidden_size": "wide", "mlp_size": "wide in its feed-forward blocks"}
    for key, words in sizes.items():
        ours, theirs = getattr(small, key), getattr(config, key)
        if ours > theirs:
            raise UserError(
                f"config.student.{key}={ours}, but the teacher is {theirs} {words}; use at most "
                f"{theirs}, or config.student.initialize=random"
            )
    same_size = small.head_size == config.head_size
    if small.heads > config.heads or small.head_size > config.head_size:
        raise UserError(
            f"{small.heads} heads of {small.head_size} cannot be made of the teacher's "
            f"{config.heads} of {config.head_size}; use fewer or smaller ones with "
            "config.student.heads, or config.student.initialize=random"
        )
    if rule == "prune" and not same_size:
        raise UserError(
            f"config.student.initialize=prune keeps whole heads of {config.head_size}, but "
            f"{small.hidden_size} wide with {small.heads} heads they are {small.head_size}; set "
            f"config.student.hidden_size to {config.head_size} times config.student.heads, or "
            "config.student.initialize to slice, svd or random"
        )
    if config.block.relative_span or (config.block.relative_bias and rule == "prune"):
        use = "random" if config.block.relative_span else "slice, svd or random"
        raise UserError(
            f"config.student.initialize={rule} cannot make a narrower {config.model_type}, whose "
            f"layers share what is learned of relative positions; use {use}"
        )
    if config.block.thetas and (rule == "svd" or not same_size):
        raise UserError(
            f"config.student.initialize={rule} would turn the pairs of dimensions of rotary "
            "positions; use prune, or slice with heads as large as the teacher's, or random"
        )


def narrowed(config: EncoderConfig, small: EncoderConfig, params: Params, rule: str) -> Params:
    """The parameters of `small` from those of `config`, with or without a masked-LM head.

    `rule` is slice or svd; `check_narrower` has passed.
    """
    wide: Tree = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), jax.device_get(params))
    narrow = _Narrow(config, small, RULES[rule](_table(wide), small.hidden_size), rule == "svd")
    encoder = wide["encoder"]
    layers = [
        narrow.layer(jax.tree.map(lambda leaf, n=number: leaf[n], encoder["layers"]))
        for number in range(config.layers)
    ]
    made = {**encoder, "embeddings": narrow.embeddings(encoder["embeddings"])}
    made["layers"] = jax.tree.map(lambda *leaves: np.stack(leaves), *layers)
    if "final_norm" in encoder:
        made["final_norm"] = narrow.norm(encoder["final_norm"])
    if "relative_bias" in encoder:
        made["relative_bias"] = encoder["relative_bias"][:, : small.heads]
    result = {**wide, "encoder": made}
    if "head" in wide:
        result["head"] = narrow.head(wide["head"])
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), result)


def _table(wide: Tree) -> Kernel:
    """What makes the first hidden state."""
    embeddings = wide["encoder"]["embeddings"]
    return (
        embeddings["projection"]["kernel"] if "projection" in embeddings else embeddings["tokens"]
    )


def _first(table: Kernel, size: int) -> Kernel:
    return np.eye(table.shape[1])[:, :size]


def _singular(table: Kernel, size: int) -> Kernel:
    """The right singular vectors of the largest singular values."""
    return np.linalg.eigh(table.T @ table)[1][:, ::-1][:, :size]


RULES: dict[str, Callable[[Kernel, int], Kernel]] = {"slice": _first, "svd": _singular}


@dataclass(frozen=True)
class _Narrow:
    """Narrow parts of a wide model, in the basis [hidden, narrow hidden]."""

    config: EncoderConfig
    small: EncoderConfig
    basis: Kernel
    by_rank: bool

    def embeddings(self, wide: Tree) -> Tree:
        if "projection" in wide:
            return {**wide, "projection": self._written(wide["projection"])}
        tables = {name: table @ self.basis for name, table in wide.items() if name != "norm"}
        return tables | ({"norm": self.norm(wide["norm"])} if "norm" in wide else {})

    def norm(self, wide: Tree) -> Tree:
        """The diagonal of the scale in the new basis, and the bias there."""
        narrow = {"scale": np.square(self.basis).T @ wide["scale"]}
        return narrow | ({"bias": wide["bias"] @ self.basis} if "bias" in wide else {})

    def layer(self, wide: Tree) -> Tree:
        made = {
            name: self.norm(wide[name]) for name in ("attention_norm", "mlp_norm") if name in wide
        }
        made["attention"] = self._attention(wide["attention"])
        kept = self._neurons(wide)
        for name in ("mlp_in", "mlp_gate"):
            if name in wide:
                made[name] = {key: leaf[..., kept] for key, leaf in self._read(wide[name]).items()}
        outer = self._written(wide["mlp_out"])
        made["mlp_out"] = {**outer, "kernel": outer["kernel"][kept]}
        return made

    def head(self, wide: Tree) -> Tree:
        """The masked-LM head: its tables keep their width where the embeddings do."""
        if self.config.embedding_size:
            return {**wide, "dense": self._read(wide["dense"])}
        made = dict(wide)
        if "dense" in wide:
            made["dense"] = self._written(self._read(wide["dense"]))
        if "norm" in wide:
            made["norm"] = self.norm(wide["norm"])
        if "table" in wide:
            made["table"] = wide["table"] @ self.basis
        return made

    def _read(self, dense: Tree) -> Tree:
        """A map of the hidden state."""
        return {**dense, "kernel": self.basis.T @ dense["kernel"]}

    def _written(self, dense: Tree) -> Tree:
        """A map to the hidden state."""
        return {name: leaf @ self.basis for name, leaf in dense.items()}

    def _neurons(self, wide: Tree) -> np.ndarray:
        size = self.small.mlp_size
        if not self.by_rank:
            return np.arange(size)
        inner = np.linalg.norm(self._read(wide["mlp_in"])["kernel"], axis=0)
        outer = np.linalg.norm(self._written(wide["mlp_out"])["kernel"], axis=1)
        return np.sort(np.argsort(inner * outer)[-size:])

    def _attention(self, wide: Tree) -> Tree:
        read = {name: _heads(self._read(wide[name]), self.config) for name in PROJECTIONS}
        output = self._written(wide["output"])
        outer = output["kernel"].reshape(self.config.heads, self.config.head_size, -1)
        of_head = self._by_rank if self.by_rank else self._sliced
        parts = [
            of_head(read["query"][head], read["key"][head], read["value"][head], outer[head])
            for head in range(self.small.heads)
        ]
        query, key, value, outer = (list(part) for part in zip(*parts, strict=True))
        named = zip(PROJECTIONS, (query, key, value), strict=True)
        biases = "bias" in wide["query"]
        made = {name: _joined(heads, biases) for name, heads in named}
        return made | {"output": {**output, "kernel": np.concatenate(outer)}}

    def _sliced(self, *parts: Kernel) -> tuple[Kernel, ...]:
        query, key, value, outer = parts
        size = self.small.head_size
        return query[:, :size], key[:, :size], value[:, :size], outer[:size]

    def _by_rank(
        self, query: Kernel, key: Kernel, value: Kernel, outer: Kernel
    ) -> tuple[Kernel, ...]:
        size = self.small.head_size
        left, right = _factors(query, key.T, size)
        # Scores are divided by the root of the head's size, which is another now.
        scale = (size / self.config.head_size) ** 0.25
        inner, last = _factors(value, outer, size)
        return left * scale, right.T * scale, inner, last


def _heads(dense: Tree, config: EncoderConfig) -> np.ndarray:
    """[heads, hidden + 1, head_size]: each head's kernel, its bias below (0 without one)."""
    bias = dense.get("bias", np.zeros(dense["kernel"].shape[1]))
    whole = np.concatenate([dense["kernel"], bias[None]])
    return whole.reshape(len(whole), config.heads, -1).swapaxes(0, 1)


def _joined(heads: list[Kernel], biases: bool) -> Tree:
    whole = np.concatenate(heads, axis=1)
    return {"kernel": whole[:-1]} | ({"bias": whole[-1]} if biases else {})


def _factors(left: Kernel, right: Kernel, rank: int) -> tuple[Kernel, Kernel]:
    """Two factors of the best approximation of left @ right with this rank, equally large."""
    first, upper = np.linalg.qr(left)
    second, lower = np.linalg.qr(right.T)
    u, s, v = np.linalg.svd(upper @ lower.T)
    root = np.sqrt(s[:rank])
    return (first @ u[:, :rank]) * root, (second @ v[:rank].T * root).T
