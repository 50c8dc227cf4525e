"""A model folder as an embedder, whatever kind of model it is."""

from jaxtyping import DTypeLike

from distil_jax.embedding.embedder import Embedder, EncoderEmbedder
from distil_jax.embedding.static import StaticEmbedder
from distil_jax.pretrained import load_sentence_model, locate
from distil_jax.pretrained.static_model import is_static, load_static


def open_embedder(name: str, dtype: DTypeLike = "float32") -> Embedder:
    """A folder of sentence-transformers, of model2vec, of an encoder, or a hub id.

    `dtype` is of an encoder's matmuls. Raises `UserError` for whatever is wrong with it.
    """
    folder = locate(name, inner=True)
    if is_static(folder):
        return StaticEmbedder(load_static(folder), name)
    return EncoderEmbedder(load_sentence_model(name), dtype=dtype, name=name)
