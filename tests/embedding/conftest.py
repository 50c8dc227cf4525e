"""Sentence models of the tiny teacher, and sentence-transformers' own vectors of them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from distil_jax.models.vector_config import NORMALIZE, DenseStage, Prompts, VectorConfig
from distil_jax.pretrained import SentenceModel, load, save_sentence_model

NO_PROMPTS = Prompts()
TEXTS = [
    "the old river",
    "the city of the old river was in the city",
    "is",
    "",
    "to the river and to the city, 1905 and 1906.",
    "x y z " * 40,
]


@pytest.fixture(scope="session")
def texts() -> list[str]:
    return TEXTS


@pytest.fixture(scope="session")
def sentence_model(teacher_folder: Path) -> Callable[..., SentenceModel]:
    """The tiny teacher with poolings, stages and prompts of one's choice."""

    def make(
        *pooling: str,
        dense: int = 0,
        normalize: bool = True,
        prompts: Prompts = NO_PROMPTS,
        max_length: int = 32,
    ) -> SentenceModel:
        model = load(teacher_folder)
        inputs = model.config.hidden_size * len(pooling)
        params = {"encoder": model.params["encoder"]}
        stages: list = []
        if dense:
            draw = np.random.default_rng(0)
            kernel = draw.normal(0, 0.2, (inputs, dense)).astype(np.float32)
            bias = draw.normal(0, 0.2, dense).astype(np.float32)
            params["dense"] = {"0": {"kernel": kernel, "bias": bias}}
            stages.append(DenseStage(inputs, dense, "Tanh"))
        stages += [NORMALIZE] * normalize
        vectors = VectorConfig(pooling, tuple(stages), max_length, prompts=prompts)
        return SentenceModel(replace(model, head=None, params=params), vectors)

    return make


@pytest.fixture(scope="session")
def sentence_folder(
    tmp_path_factory: pytest.TempPathFactory, sentence_model: Callable[..., SentenceModel]
) -> Path:
    """A folder of the tiny teacher's means, normalised. For reading only."""
    folder = tmp_path_factory.mktemp("sentence") / "model"
    save_sentence_model(folder, sentence_model("mean"))
    return folder


@pytest.fixture(scope="session")
def their_vectors() -> Callable[..., np.ndarray]:
    """What sentence-transformers makes of texts, by a folder."""

    def encode(folder: Path, texts: Sequence[str], **options: object) -> np.ndarray:
        import sentence_transformers

        model = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
        return model.encode(list(texts), show_progress_bar=False, **options)

    return encode
