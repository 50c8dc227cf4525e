"""An exported graph as the embedder that `embed` and the tasks of vectors know."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import DTypeLike

from distil_jax.embedding.embedder import (
    Embedder,
    Progress,
    Vectors,
    nothing,
    prompt_text,
)
from distil_jax.embedding.opening import open_embedder
from distil_jax.errors import UserError
from distil_jax.exporting.layout import is_onnx
from distil_jax.exporting.onnx_folder import OnnxModel, inputs_of, open_onnx
from distil_jax.exporting.vector_outputs import VECTOR
from distil_jax.pretrained.model import check_vocabulary
from distil_jax.pretrained.sentence_reading import read_prompts, text_limits
from distil_jax.tasks.encoding import encode

BATCH_SIZE = 32


def open_any_embedder(name: str, dtype: DTypeLike = "float32") -> Embedder:
    """A model folder, in `dtype`, or an export; raises `UserError` where no vectors are made."""
    return OnnxEmbedder(open_onnx(name), name) if is_onnx(name) else open_embedder(name, dtype)


class OnnxEmbedder:
    """An export with pooling in its graph; raises `UserError` for another."""

    def __init__(self, model: OnnxModel, name: str) -> None:
        """Read what its folder says of texts and prompts."""
        if VECTOR not in model.outputs:
            raise UserError(
                f"{name} makes no vectors (its outputs are {', '.join(model.outputs)}); export a "
                "sentence model with --pooling=graph"
            )
        check_vocabulary(model.tokenizer, model.config, name)
        self.model, self.name = model, name
        self._length, self._lower_case = text_limits(model.folder, model.config, model.tokenizer)
        self._prompts = read_prompts(model.folder, True)

    @property
    def width(self) -> int:
        """Of the vectors."""
        return int(self.model.session.get_outputs()[self._place()].shape[-1])

    @property
    def parameters(self) -> int:
        """The graph's bytes in numbers of four bytes: what it would hold in float32."""
        return self.model.bytes // 4

    @property
    def prompts(self) -> Mapping[str, str]:
        """Texts that may stand before every other text, by name."""
        return self._prompts.texts

    def __call__(
        self, texts: Sequence[str], *, prompt: str | None = None, progress: Progress = nothing
    ) -> Vectors:
        """float32 [texts, width]; raises `UserError` for a prompt that the model lacks."""
        asked = self._prompts.default if prompt is None else prompt
        before = prompt_text(self.prompts, asked, self.name)
        whole = [before + text for text in texts]
        lowered = [text.lower() for text in whole] if self._lower_case else whole
        encoded = encode(lowered, None, self.model.tokenizer, length=self._length)
        vectors = np.zeros((len(texts), self.width), np.float32)
        order = np.argsort(encoded.lengths, kind="stable")
        for start in range(0, len(order), BATCH_SIZE):
            numbers = order[start : start + BATCH_SIZE]
            tokens = [encoded.tokens[number] for number in numbers]
            inputs = inputs_of(tokens, pad=self.model.config.pad_token)
            vectors[numbers] = self.model.run(inputs)[self._place()]
            progress(len(numbers))
        return vectors

    def _place(self) -> int:
        return self.model.outputs.index(VECTOR)
