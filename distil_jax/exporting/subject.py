"""What is exported: a model with a head, or one that makes a vector of each text."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import jax.numpy as jnp
from jaxtyping import Array

from distil_jax.errors import UserError
from distil_jax.exporting import sentence_graph
from distil_jax.exporting.vector_outputs import EMBEDDING, HIDDEN, VECTOR
from distil_jax.models import Encoder
from distil_jax.models.head_kinds import HEADS
from distil_jax.models.sentence_vectors import sentence_vectors
from distil_jax.models.types import Batch, Params
from distil_jax.models.vector_config import NORMALIZE, Prompts, VectorConfig
from distil_jax.pretrained import Pretrained, SentenceModel, load, load_sentence_model, locate
from distil_jax.pretrained.sentence_reading import GENERAL, is_sentence_folder
from distil_jax.pretrained.sentence_writing import general_file, module_files
from distil_jax.pretrained.static_config import static_config, write_static_config
from distil_jax.pretrained.static_model import StaticModel, is_static, load_static
from distil_jax.tasks.table import kind_of_head
from distil_jax.tokenizer import special_ids, without_frame

Pooling = Literal["graph", "client"]
Axes = list[str | int]
Decode = Callable[[str, str], str]


@dataclass(frozen=True)
class Subject:
    """A model, and what its program returns.

    Attributes:
      head: a key of `models.head_kinds.HEADS`, or `EMBEDDING`.
      outputs: their axes by their names, in order.
      graph_head: adds the nodes behind the hidden states: (graph, params, hidden, decode), as
        `tasks.kind.TaskKind.graph_head`.
      forward: the same in JAX, the encoder before it; one array, or one for each output.
      files: further ones of its folder, by their paths; config.json where no family writes it.
    """

    model: Pretrained
    head: str
    outputs: Mapping[str, Axes]
    graph_head: Callable[[Any, Params, str, Decode], None]
    forward: Callable[[Params, Batch], Array | tuple[Array, ...]]
    files: Mapping[str, bytes]


def open_subject(source: str, pooling: Pooling | None) -> Subject:
    """A model folder or hub id, to be exported.

    A static model or a folder of sentence-transformers makes vectors, any other encoder where
    `pooling` asks for them. Raises `UserError` for a model that has neither a head nor that.
    """
    folder = locate(source, inner=True)
    if is_static(folder):
        return of_static(load_static(folder), pooling or "graph")
    if pooling is not None or is_sentence_folder(folder):
        return of_sentences(load_sentence_model(source), pooling or "graph")
    return of_head(load(source), source)


def of_head(model: Pretrained, source: str = "the model") -> Subject:
    """A model with a head; raises `UserError` for one without."""
    kind = kind_of_head(model.head)
    if kind is None:
        raise UserError(
            f"{source} has no {' or '.join(kind.title for kind in HEADS.values())}; "
            "export a model with one of them, or vectors of texts with --pooling=graph"
        )
    module = kind.model(model.config, max(1, len(model.labels)))

    def graph_head(graph: Any, params: Params, hidden: str, decode: Decode) -> None:
        kind.graph_head(graph, model.config, params.get("head", {}), hidden, decode)

    def forward(params: Params, batch: Batch) -> Array:
        return module.apply({"params": params}, batch)  # type: ignore[return-value]

    axes = kind.export_axes(model.config, len(model.labels))
    outputs = dict.fromkeys(kind.export_outputs, axes)
    return Subject(model, kind.head, outputs, graph_head, forward, {})


def of_sentences(sentence: SentenceModel, pooling: Pooling = "graph") -> Subject:
    """Hidden states, and with them the texts' vectors where `pooling` is the graph's.

    Raises `UserError` where a prompt's tokens are left out of the pooling: no input says them.
    """
    model, vectors = sentence.model, sentence.vectors
    in_graph = pooling == "graph"
    if in_graph and not vectors.prompts.pooled:
        raise UserError(
            "this model leaves its prompt's tokens out of the pooling, which a graph cannot know; "
            "use --pooling=client"
        )
    encoder = Encoder(model.config)

    def graph_head(graph: Any, params: Params, hidden: str, _: Decode) -> None:
        graph.node("Identity", hidden, name=HIDDEN)
        if in_graph:
            found = sentence_graph.vectors(graph, vectors, params, hidden)
            graph.node("Identity", found, name=VECTOR)

    def forward(params: Params, batch: Batch) -> Array | tuple[Array, ...]:
        wide = jnp.asarray(encoder.apply({"params": params["encoder"]}, batch), jnp.float32)
        if not in_graph:
            return wide
        found = sentence_vectors(vectors, params, wide, batch["segments"], count=1)
        return wide, found[:, 0]

    outputs: dict[str, Axes] = {HIDDEN: ["batch", "length", model.config.hidden_size]}
    if in_graph:
        outputs[VECTOR] = ["batch", sentence.width]
    return Subject(
        model, EMBEDDING, outputs, graph_head, forward, module_files(sentence, "float32")
    )


def of_static(static: StaticModel, pooling: Pooling = "graph") -> Subject:
    """The tokens' vectors and their mean: an encoder without layers."""
    tokenizer = without_frame(static.tokenizer)
    vocabulary, width = static.table.shape
    config = static_config(vocabulary, width, special_ids(tokenizer).pad)
    params = {"encoder": {"embeddings": {"tokens": static.table}, "layers": ()}}
    vectors = VectorConfig(
        ("mean",),
        (NORMALIZE,) * static.normalize,
        config.positions,
        prompts=Prompts(dict(static.prompts), static.default_prompt),
    )
    model = Pretrained(config, params, None, (), tokenizer)
    files = {
        "config.json": write_static_config(config, normalize=static.normalize).encode(),
        GENERAL: general_file(vectors),
    }
    return replace(of_sentences(SentenceModel(model, vectors), pooling), files=files)
