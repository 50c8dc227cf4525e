"""A model of sentence embeddings: an encoder and what makes one vector of its hidden states."""

from dataclasses import dataclass, replace

from distil_jax.models.types import Params
from distil_jax.models.vector_config import VectorConfig
from distil_jax.pretrained.model import Pretrained


@dataclass(frozen=True)
class SentenceModel:
    """A folder of sentence-transformers, or of an encoder alone, whose tokens' mean is taken.

    Attributes:
      model: the encoder without a head; its `params` have "encoder" and, where dense maps stand
        behind the pooling, "dense".
    """

    model: Pretrained
    vectors: VectorConfig

    @property
    def width(self) -> int:
        """Of the vectors."""
        return self.vectors.width(self.model.config.hidden_size)

    def with_params(self, params: Params) -> "SentenceModel":
        """The same with other parameters."""
        return replace(self, model=replace(self.model, params=params))
