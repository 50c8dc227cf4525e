"""Teachers that are asked by text: for a vector of each text, or for a score of each pair."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from distil_jax.configuration.objective_table import OBJECTIVES
from distil_jax.configuration.schema import Config
from distil_jax.embedding.embedder import EncoderEmbedder
from distil_jax.errors import UserError
from distil_jax.evaluation.batched_forward import BatchedForward
from distil_jax.models.weights_digest import weights_digest
from distil_jax.pretrained import Pretrained, SentenceModel, load
from distil_jax.pretrained.model import check_vocabulary
from distil_jax.target_store import Column, Text
from distil_jax.tasks.encoding import encode
from distil_jax.tasks.network import Network
from distil_jax.tasks.rerank import POINTWISE
from distil_jax.training.parallel import Devices
from distil_jax.training.targets import PAIR_SCORES, VECTORS

VECTOR, SCORE = "vector", "score"
PRECISION = "precision"
"""Among a teacher's settings: what it computed in, where that is not float32."""
IN_BATCH = {VECTOR: VECTORS, SCORE: PAIR_SCORES}
LONGEST_PAIR = 512
"""Most tokens of a pair."""


@dataclass(frozen=True)
class TextTeacher:
    """What computes the targets of texts or of pairs.

    Attributes:
      column: of the stored targets, `VECTOR` or `SCORE`.
      settings: what decides them, in JSON's types.
      prepared: puts the model on the devices; what it returns computes some texts' targets.
    """

    name: str
    column: Column
    parameters: int
    settings: Mapping[str, Any]
    prepared: Callable[[], Callable[[Sequence[Text]], np.ndarray]]


def vector_teacher(sentence: SentenceModel, config: Config) -> TextTeacher:
    """A sentence model, `config.teacher`: its vectors, without a prompt."""
    name, dtype = config.teacher, config.precision.teacher

    def prepared() -> Callable[[Sequence[Text]], np.ndarray]:
        embedder = EncoderEmbedder(sentence, dtype=dtype, name=name)
        return lambda texts: embedder([str(text) for text in texts], prompt="")

    vectors = json.loads(json.dumps(dataclasses.asdict(sentence.vectors)))
    params = sentence.model.params
    precision = {} if dtype == "float32" else {PRECISION: dtype}
    return TextTeacher(
        name,
        Column(VECTOR, "float32", (sentence.width,)),
        _size(params),
        {"teacher": weights_digest(params), "vectors": vectors, **precision},
        prepared,
    )


def pair_teacher(name: str) -> TextTeacher:
    """A cross-encoder: its raw score of a pair. Raises `UserError` for a model of another kind."""
    model = load(name, require_head=POINTWISE.head)
    POINTWISE.check_model(model, name)
    assert model.tokenizer is not None
    check_vocabulary(model.tokenizer, model.config, name)
    return TextTeacher(
        name,
        Column(SCORE, "float32"),
        _size(model.params),
        {"teacher": weights_digest(model.params)},
        lambda: _scores(model),
    )


def wanted_column(config: Config) -> str:
    """Which targets a config takes by text; raises `UserError` for two kinds of teachers."""
    taught = [
        one for one in OBJECTIVES.values() if one.needs_teacher and config.loss.uses(one.name)
    ]
    pairs = [one.name for one in taught if one.of_pairs]
    others = [one.name for one in taught if one.of_vectors and not one.of_pairs]
    if not pairs:
        return VECTOR
    if others:
        zero = " and ".join(f"config.loss.{name}=0" for name in others)
        raise UserError(
            f"config.loss.{pairs[0]} has a cross-encoder as its teacher, which has no "
            f"vectors of sentences; set {zero}"
        )
    return SCORE


def _scores(model: Pretrained) -> Callable[[Sequence[Text]], np.ndarray]:
    length = min(LONGEST_PAIR, model.config.positions)
    network = Network(POINTWISE, model.config, 1, length)
    devices = Devices("jit", tuple(jax.local_devices()))
    predict = BatchedForward(network, devices, model.config.pad_token)(model.params)

    def compute(pairs: Sequence[Text]) -> np.ndarray:
        assert model.tokenizer is not None
        first, second = ([pair[side] for pair in pairs] for side in (0, 1))
        encoded = encode(first, second, model.tokenizer, length=length)
        return np.concatenate(predict(encoded)).astype(np.float32)

    return compute


def _size(params: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(params))
