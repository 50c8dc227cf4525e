"""An encoder with a task's head, run on rows that hold several sequences.

A piece is what a device computes at a time: `tokens`, `segments`, `token_types` [rows, length];
for each slot, `starts` and `lengths` [slots], the place of a sequence's first token in the
flattened rows and its tokens, 0 in an unused slot; in training also targets by slot.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from jaxtyping import Array, DTypeLike, Key

from distil_jax.kernels.place import Place
from distil_jax.models import Encoder, EncoderConfig, initialize_module
from distil_jax.models.dropout import Rng, sites
from distil_jax.models.intermediates import Request
from distil_jax.models.pooling import pool
from distil_jax.models.types import Params, Rematerialise
from distil_jax.objectives import Outputs
from distil_jax.tasks.kind import ExampleKind
from distil_jax.tasks.label_losses import mask_window


@dataclass(frozen=True)
class Network:
    """How a model's outputs are computed.

    Attributes:
      outputs: of the head, for a sequence or a token.
      window: where outputs are per token, the most tokens of a sequence.
    """

    kind: ExampleKind
    config: EncoderConfig
    outputs: int
    window: int
    dtype: DTypeLike = jnp.float32
    scan: bool = False
    rematerialise: Rematerialise = "none"

    def forward(self, params: Params, piece: Mapping[str, Array]) -> Array:
        """Float32 [slots, outputs]; per token [slots, window, outputs], masked behind each end.

        Here a window is no longer than the piece's rows.
        """
        within = replace(self, window=min(self.window, piece["tokens"].shape[1]))
        return within(params, piece, Request(), None).task

    def __call__(
        self,
        params: Params,
        piece: Mapping[str, Array],
        request: Request,
        rng: Rng | None,
    ) -> Outputs:
        """`forward`'s array as `task`, with the requested intermediates.

        With a place the model is in training mode. A sequence's classes are judged by what
        `config.head` pools of it, as when it is run alone.
        """
        assert rng is None or isinstance(rng, Place), "a task's dropout is of places"
        inputs = dict(piece)
        if self.config.token_types < 2:
            inputs.pop("token_types", None)
        encoder = Encoder(self.config, self.scan, self.dtype, self.rematerialise)
        of_encoder, of_head = sites(rng, 2)
        intermediates = encoder.apply(
            {"params": params["encoder"]},
            inputs,
            train=rng is not None,
            request=request,
            place=of_encoder,
            method="run",
        )
        hidden = intermediates.last
        if not self.kind.per_token:
            how = self.config.head.pooling
            hidden = pool(hidden, piece["starts"], piece["lengths"], how)[:, None]
            of_head = of_head and _of_slots(of_head, piece)
        outputs = self.kind.head_module(self.config, self.outputs, self.dtype).apply(
            {"params": params["head"]}, hidden, of_head
        )
        if self.kind.per_token:
            outputs = self._windows(outputs.reshape(-1, self.outputs), piece)
        return Outputs(intermediates, task=outputs)

    def _windows(self, logits: Array, piece: Mapping[str, Array]) -> Array:
        places = piece["starts"][:, None] + jnp.arange(self.window)[None]
        window = jnp.take(logits, places, axis=0, mode="clip")
        masked = jax.vmap(mask_window, in_axes=(2, None), out_axes=2)
        return masked(window, piece["lengths"])


def fresh_head(
    kind: ExampleKind, config: EncoderConfig, outputs: int, key: Key[Array, ""]
) -> Params:
    """A random head, as Hugging Face draws it."""
    small = replace(config.student((0,), keep_token_types=True), vocabulary=1)
    return initialize_module(kind.model(small, outputs), key)["head"]


def _of_slots(place: Place, piece: Mapping[str, Array]) -> Place:
    """The place of one state of each sequence: that of its first token."""
    row, start = jnp.divmod(piece["starts"], piece["tokens"].shape[1])
    return replace(place, row=place.row[row], first_query=start)
