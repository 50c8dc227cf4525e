"""A static student from its teacher to its folder."""

from pathlib import Path

from distil_jax.data import corpus
from distil_jax.embedding.embedder import EncoderEmbedder
from distil_jax.embedding.static import make_static
from distil_jax.pretrained import load_sentence_model, model_card
from distil_jax.pretrained.card import sentence_header
from distil_jax.pretrained.static_model import StaticModel, save_static
from distil_jax.pretrained.writing import check_destination


def make(
    teacher: str,
    output: Path,
    command: str,
    *,
    dimensions: int,
    sif: float,
    data: str = "",
    column: str = "text",
) -> StaticModel:
    """Make a static student and write its folder; raises `UserError` before anything is written."""
    check_destination(output)
    texts = corpus.documents(corpus.find(data, column=column)) if data else ()
    embedder = EncoderEmbedder(load_sentence_model(teacher), name=teacher)
    model = make_static(embedder, dimensions=dimensions, sif=sif, texts=texts)
    save_static(output, model, card=_card(teacher, command, model, sif, data))
    return model


def _card(teacher: str, command: str, model: StaticModel, sif: float, data: str) -> str:
    tokens, width = model.table.shape
    return model_card(
        sentence_header(),
        recipe={"teacher": teacher, "tokens": tokens, "dimensions": width, "SIF": sif},
        data=f"frequencies of tokens from {data}" if data else "no text: tokens by their order",
        scores={},
        command=command,
        title="Static student made with distil_jax",
        summary="One vector for each token of a teacher's vocabulary; the mean of a text's tokens "
        "is its vector.",
    )
