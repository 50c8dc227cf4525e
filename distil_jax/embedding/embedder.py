"""Vectors of any number of texts, in their order: sorted by length, packed, in compiled programs.

Texts of like lengths share rows; each row length has a compiled program of its own.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec
from jaxtyping import Array, DTypeLike, Float
from tokenizers import Tokenizer

from distil_jax.data.packing import assign
from distil_jax.data.sequences import bare_backend
from distil_jax.errors import UserError
from distil_jax.models import Encoder
from distil_jax.models.sentence_vectors import sentence_vectors
from distil_jax.models.stacking import unstack
from distil_jax.models.types import Params
from distil_jax.pretrained import SentenceModel
from distil_jax.pretrained.model import check_vocabulary
from distil_jax.tasks.encoding import encode
from distil_jax.tokenizer import special_ids
from distil_jax.training.parallel import AXIS, Devices

Vectors = Float[np.ndarray, "texts width"]
Progress = Callable[[int], Any]
"""Hears how many more texts are done."""

ROW_LENGTHS = (32, 64, 128, 256, 512)
"""A text goes into the shortest rows that hold it: attention over long rows costs."""
ROW_TOKENS = 4096
"""Tokens of one device's piece."""


@runtime_checkable
class Embedder(Protocol):
    """Whatever makes vectors of texts."""

    @property
    def width(self) -> int:
        """Of the vectors."""

    @property
    def parameters(self) -> int:
        """How many numbers the model has."""

    @property
    def prompts(self) -> Mapping[str, str]:
        """Texts that may stand before every other text, by name."""

    def __call__(
        self, texts: Sequence[str], *, prompt: str | None = None, progress: Progress = ...
    ) -> Vectors:
        """float32, a row for each text. `prompt`: the name of one; None: the model's default."""


def nothing(_: int) -> None:
    """For whoever shows no progress."""


@dataclass(frozen=True)
class Piece:
    """Rows that a device computes at a time.

    Attributes:
      tokens, segments: int32 [rows, length].
      numbers: of the text of each segment [rows, segments]; -1 where there is none.
    """

    tokens: np.ndarray
    segments: np.ndarray
    numbers: np.ndarray

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """What a program is compiled for."""
        return self.tokens.shape, self.numbers.shape


class EncoderEmbedder:
    """A sentence model on some devices; keeps its compiled programs."""

    def __init__(
        self,
        sentence: SentenceModel,
        devices: Devices | None = None,
        *,
        dtype: DTypeLike = jnp.float32,
        name: str = "",
    ) -> None:
        """Put the parameters on the devices, all if none are given; raises `UserError`."""
        tokenizer = sentence.model.tokenizer
        if tokenizer is None:
            raise UserError(f"{name or 'the model'} has no tokenizer; use a folder that has one")
        check_vocabulary(tokenizer, sentence.model.config, name)
        self.sentence, self.tokenizer, self.name = sentence, tokenizer, name
        self.devices = devices or Devices("jit", tuple(jax.devices()))
        self.scan = jax.default_backend() != "cpu"
        params = sentence.model.params
        self._params = self.devices.replicate(params if self.scan else unstack(params))
        self._encoder = Encoder(sentence.model.config, self.scan, dtype)
        self._compiled: dict[int, Any] = {}

    @property
    def width(self) -> int:
        """Of the vectors."""
        return self.sentence.width

    @property
    def parameters(self) -> int:
        """How many numbers the model has."""
        return sum(leaf.size for leaf in jax.tree.leaves(self.sentence.model.params))

    @property
    def prompts(self) -> Mapping[str, str]:
        """Texts that may stand before every other text, by name."""
        return self.sentence.vectors.prompts.texts

    def __call__(
        self, texts: Sequence[str], *, prompt: str | None = None, progress: Progress = nothing
    ) -> Vectors:
        """float32 [texts, width]; raises `UserError` for a prompt that the model lacks."""
        before = prompt_text(self.prompts, self._prompt(prompt), self.name)
        tokens = self._tokens([before + text for text in texts])
        skip = 0 if self.sentence.vectors.prompts.pooled else self._prompt_tokens(before)
        return self._vectors(tokens, skip, progress)

    def of_tokens(self, numbers: Iterable[int], progress: Progress = nothing) -> Vectors:
        """The vectors of texts of one token each."""
        special = special_ids(self.tokenizer)
        sequences = [np.asarray([special.cls, n, special.sep], np.int32) for n in numbers]
        return self._vectors(sequences, 0, progress)

    def backend(self) -> Tokenizer:
        """A copy of the Rust tokenizer that neither truncates nor pads."""
        return bare_backend(self.tokenizer)

    def _vectors(self, tokens: Sequence[np.ndarray], skip: int, progress: Progress) -> Vectors:
        vectors = np.zeros((len(tokens), self.width), np.float32)
        pad = self.sentence.model.config.pad_token
        for group in grouped(pieces(tokens, pad), self.devices.count):
            found = self._run(group, skip)
            numbers = np.concatenate([piece.numbers for piece in group])
            used = numbers >= 0
            vectors[numbers[used]] = found[used]
            progress(int(used.sum()))
        return vectors

    def _prompt(self, asked: str | None) -> str:
        return self.sentence.vectors.prompts.default if asked is None else asked

    def _tokens(self, texts: Sequence[str]) -> tuple[np.ndarray, ...]:
        config = self.sentence.vectors
        lowered = [text.lower() for text in texts] if config.lower_case else texts
        return encode(lowered, None, self.tokenizer, length=config.max_length).tokens

    def _prompt_tokens(self, prompt: str) -> int:
        """The tokens of a prompt with the special ones before it, not those behind it."""
        if not prompt:
            return 0
        (tokens,) = self._tokens([prompt])
        (plain,) = self._tokens([""])
        return len(tokens) - (1 if len(plain) > 1 else 0)

    def _run(self, group: Sequence[Piece], skip: int) -> np.ndarray:
        rows, segments = group[0].numbers.shape
        program = self._compiled.get(segments) or self._program(segments)
        batch = {
            "tokens": np.concatenate([piece.tokens for piece in group]),
            "segments": np.concatenate([piece.segments for piece in group]),
        }
        split = self.devices.split(batch)
        found = program(self._params, split, jnp.asarray(skip, jnp.int32))
        return np.asarray(jax.device_get(found)).reshape(len(group) * rows, segments, -1)

    def _program(self, segments: int) -> Any:
        mapped = jax.shard_map(
            partial(forward, self._encoder, self.sentence, segments),
            mesh=self.devices.mesh,
            in_specs=(PartitionSpec(), PartitionSpec(AXIS), PartitionSpec()),
            out_specs=PartitionSpec(AXIS),
            check_vma=False,
        )
        self._compiled[segments] = program = jax.jit(mapped)
        return program


def forward(
    encoder: Encoder,
    sentence: SentenceModel,
    count: int,
    params: Params,
    batch: Mapping[str, Array],
    skip: Array,
) -> Float[Array, "rows segments width"]:
    """The vectors of the segments 1 to `count` of packed rows."""
    hidden = encoder.apply({"params": params["encoder"]}, batch)
    return sentence_vectors(
        sentence.vectors, params, hidden, batch["segments"], count=count, skip=skip
    )


def prompt_text(prompts: Mapping[str, str], name: str, model: str) -> str:
    """The text of a prompt; none for an empty name. Raises `UserError` for an unknown one."""
    if not name:
        return ""
    if name not in prompts:
        raise UserError(
            f"{model or 'the model'} has no prompt {name!r}; "
            f"it has {', '.join(prompts) or 'none at all'}"
        )
    return prompts[name]


def pieces(tokens: Sequence[np.ndarray], pad: int) -> Iterator[Piece]:
    """Packed rows of all texts, the shortest texts first."""
    lengths = np.asarray([len(each) for each in tokens], np.int64)
    longest = int(lengths.max(initial=0))
    limits = [*(limit for limit in ROW_LENGTHS if limit < longest)]
    limits.append(next((limit for limit in ROW_LENGTHS if limit >= longest), longest))
    previous = 0
    for limit in limits:
        members = np.flatnonzero((lengths > previous) & (lengths <= limit))
        least, previous = previous + 1, limit
        if len(members):
            yield from _of_length(tokens, members, lengths, limit, least, pad)


def _of_length(
    tokens: Sequence[np.ndarray],
    members: np.ndarray,
    lengths: np.ndarray,
    limit: int,
    least: int,
    pad: int,
) -> Iterator[Piece]:
    """Pieces of rows of one length, all of one shape."""
    assigned = assign(lengths[members].tolist(), limit)
    segments = max(map(len, assigned))
    # A power of two of them, so that few programs are compiled.
    segments = min(1 << (segments - 1).bit_length(), max(1, limit // least))
    rows = min(max(1, ROW_TOKENS // limit), 1 << (len(assigned) - 1).bit_length())
    for start in range(0, len(assigned), rows):
        piece = Piece(
            np.full((rows, limit), pad, np.int32),
            np.zeros((rows, limit), np.int32),
            np.full((rows, segments), -1, np.int64),
        )
        for row, numbers in enumerate(assigned[start : start + rows]):
            of_row = [tokens[members[number]] for number in numbers]
            sizes = [len(each) for each in of_row]
            piece.tokens[row, : sum(sizes)] = np.concatenate(of_row)
            piece.segments[row, : sum(sizes)] = np.repeat(np.arange(1, len(sizes) + 1), sizes)
            piece.numbers[row, : len(sizes)] = members[numbers]
        yield piece


def grouped(every: Iterator[Piece], count: int) -> Iterator[list[Piece]]:
    """`count` pieces of one shape at a time, one for each device; the last may be empty ones."""
    group: list[Piece] = []
    for piece in every:
        if group and (len(group) == count or group[0].shapes != piece.shapes):
            yield _filled(group, count)
            group = []
        group.append(piece)
    if group:
        yield _filled(group, count)


def _filled(group: list[Piece], count: int) -> list[Piece]:
    first = group[0]
    empty = Piece(first.tokens, np.zeros_like(first.segments), np.full_like(first.numbers, -1))
    return group + [empty] * (count - len(group))
