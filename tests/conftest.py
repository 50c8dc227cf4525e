"""Eight simulated devices, shapes checked at run time, and one tiny teacher for all tests."""

import os

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = (
    f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"
)
os.environ["HF_HUB_OFFLINE"] = "1"

import string
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

install_import_hook("distil_jax", "beartype.beartype")


@pytest.fixture(scope="session")
def teacher_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of a random 4-layer BERT of width 32 that knows letters, digits and 10 words.

    For reading only: it is the same folder for all tests of a process.
    """
    import jax

    from distil_jax import models, pretrained
    from distil_jax.tokenizer.wordpiece import bert_tokenizer

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    characters = [*string.ascii_lowercase, *string.digits, ".", ","]
    words = ["the", "of", "and", "in", "to", "is", "river", "city", "old", "was"]
    pieces = [*special, *characters, *(f"##{character}" for character in characters), *words]
    tokenizer = bert_tokenizer({piece: i for i, piece in enumerate(pieces)}, lowercase=True)
    config = models.EncoderConfig(
        model_type="bert",
        vocabulary=len(pieces),
        width=32,
        layers=4,
        heads=4,
        inner_width=64,
        positions=64,
        token_types=2,
    )
    params = models.initialize(config, jax.random.key(0))
    folder = tmp_path_factory.mktemp("teacher") / "model"
    pretrained.save(folder, pretrained.Pretrained(config, params, "masked_lm", (), tokenizer))
    return folder
