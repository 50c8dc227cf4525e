"""Saving a folder of sentence-transformers in the classic layout, which versions 2 to 6 open."""

import json
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
from safetensors.numpy import save as tensor_bytes

from distil_jax.models.vector_config import NORMALIZE, DenseStage, VectorConfig
from distil_jax.pretrained.sentence import SentenceModel
from distil_jax.pretrained.sentence_reading import GENERAL, MODULES, POOLING_KEYS, TRANSFORMER
from distil_jax.pretrained.writing import save

PACKAGE = "sentence_transformers.models"
TORCH_NAMES = {"Identity": "torch.nn.modules.linear.Identity"}
LAYOUT = "2.0.0"
"""The version of sentence-transformers that this layout is of."""


def save_sentence_model(
    folder: str | Path,
    sentence: SentenceModel,
    *,
    card: str | None = None,
    dtype: Literal["float32", "float16"] = "float32",
) -> None:
    """Write the encoder's folder as `save` does, with modules.json and what it names.

    `sentence_transformers.SentenceTransformer(folder)` then makes the same vectors. Raises
    `UserError` as `save` does.
    """
    files = module_files(sentence, dtype)
    save(folder, sentence.model, card=card, dtype=dtype, further=files)


def module_files(sentence: SentenceModel, dtype: str) -> dict[str, bytes]:
    """What stands beside the encoder's files, by the paths below their folder."""
    config, hidden_size = sentence.vectors, sentence.model.config.hidden_size
    names = ["Transformer", "Pooling"]
    names += ["Normalize" if stage == NORMALIZE else "Dense" for stage in config.stages]
    paths = ["", *(f"{number}_{name}" for number, name in enumerate(names) if number)]
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": f"{PACKAGE}.{name}"}
        for number, (name, path) in enumerate(zip(names, paths, strict=True))
    ]
    files = {
        MODULES: _json(modules),
        GENERAL: general_file(config),
        TRANSFORMER[0]: _json(
            {"max_seq_length": config.max_length, "do_lower_case": config.lower_case}
        ),
        f"{paths[1]}/config.json": _json(_pooling(config, hidden_size)),
    }
    for number, stage in enumerate(config.stages):
        if stage != NORMALIZE:
            params = sentence.model.params["dense"][str(number)]
            path = paths[2 + number]
            files[f"{path}/config.json"] = _json(_dense(stage))
            files[f"{path}/model.safetensors"] = _dense_tensors(params, dtype)
    return files


def general_file(config: VectorConfig) -> bytes:
    """config_sentence_transformers.json."""
    return _json(
        {
            "__version__": {"sentence_transformers": LAYOUT},
            "prompts": config.prompts.texts,
            "default_prompt_name": config.prompts.default or None,
            "similarity_fn_name": "cosine",
        }
    )


def _pooling(config: VectorConfig, hidden_size: int) -> dict[str, Any]:
    about = {"word_embedding_dimension": hidden_size, "include_prompt": config.prompts.pooled}
    if config.pooling == tuple(mode for mode in POOLING_KEYS.values() if mode in config.pooling):
        return about | {key: mode in config.pooling for key, mode in POOLING_KEYS.items()}
    # The classic keys know no order; versions before 6 cannot make such vectors.
    return about | {"pooling_mode": list(config.pooling)}


def _dense(stage: DenseStage) -> dict[str, Any]:
    name = f"torch.nn.modules.activation.{stage.activation}"
    return {
        "in_features": stage.inputs,
        "out_features": stage.outputs,
        "bias": stage.bias,
        "activation_function": TORCH_NAMES.get(stage.activation, name),
    }


def _dense_tensors(params: Any, dtype: str) -> bytes:
    stored = jax.device_get(params)
    tensors = {"linear.weight": np.ascontiguousarray(np.asarray(stored["kernel"]).T, dtype)}
    if "bias" in stored:
        tensors["linear.bias"] = np.ascontiguousarray(stored["bias"], dtype)
    return tensor_bytes(tensors, metadata={"format": "pt"})


def _json(content: Any) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
