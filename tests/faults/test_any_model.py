"""Whatever happened to a model folder, it loads or says in one clear error what is wrong."""

import contextlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from safetensors.numpy import load_file, save_file

from distil_jax import pretrained
from distil_jax.errors import UserError
from distil_jax.tokenizer import fingerprint, special_ids

EXAMPLES = int(os.environ.get("DISTIL_JAX_FUZZ", "15"))
fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def copy(teacher_folder: Path, tmp_path: Path) -> Callable[[], Path]:
    """A fresh copy of a model folder at each call."""

    def again() -> Path:
        shutil.rmtree(tmp_path / "model", ignore_errors=True)
        return shutil.copytree(teacher_folder, tmp_path / "model")

    return again


def use(folder: Path) -> None:
    """What a run does with it first; a UserError is fine, and nothing else is."""
    with contextlib.suppress(UserError):
        loaded = pretrained.load(folder, require_head="masked_lm")
        fingerprint(loaded.tokenizer)
        special_ids(loaded.tokenizer)


@fuzzed
@given(st.data())
def test_any_value_in_any_json_file(
    copy: Callable[[], Path], spoil_json: Callable[..., None], data: st.DataObject
) -> None:
    folder = copy()
    names = ["config.json", "tokenizer.json", "tokenizer_config.json"]
    file = folder / data.draw(st.sampled_from(names))
    content = json.loads(file.read_text())
    spoil_json(content, data)
    file.write_text(json.dumps(content))
    use(folder)


@fuzzed
@given(st.data())
def test_any_damage_to_any_file(
    copy: Callable[[], Path], spoil_file: Callable[..., None], data: st.DataObject
) -> None:
    folder = copy()
    for _ in range(data.draw(st.integers(1, 2))):
        files = sorted(path for path in folder.iterdir() if path.is_file() and path.stat().st_size)
        spoil_file(data.draw(st.sampled_from(files)), data)
    use(folder)


@pytest.fixture(scope="module")
def sentence_folder(teacher_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sentence") / "model"
    pretrained.save_sentence_model(folder, pretrained.load_sentence_model(teacher_folder))
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode": ["mean", "cls"]}')
    prompts = {"prompts": {"query": "q: "}, "default_prompt_name": "query"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    return folder


@fuzzed
@given(st.data())
def test_any_value_in_any_file_of_a_sentence_folder(
    sentence_folder: Path, tmp_path: Path, spoil_json: Callable[..., None], data: st.DataObject
) -> None:
    shutil.rmtree(tmp_path / "model", ignore_errors=True)
    folder = shutil.copytree(sentence_folder, tmp_path / "model")
    names = ["modules.json", "1_Pooling/config.json", "config_sentence_transformers.json"]
    file = folder / data.draw(st.sampled_from([*names, "sentence_bert_config.json"]))
    content = json.loads(file.read_text())
    spoil_json(content, data)
    file.write_text(json.dumps(content))
    with contextlib.suppress(UserError):
        assert pretrained.load_sentence_model(folder).width in (32, 64)


@fuzzed
@given(st.data())
def test_any_tensors(copy: Callable[[], Path], data: st.DataObject) -> None:
    """Other shapes, types, names and numbers, in a file that is whole."""
    folder = copy()
    tensors = load_file(folder / "model.safetensors")
    name = data.draw(st.sampled_from(sorted(tensors)))
    tensor = tensors.pop(name)
    kinds = st.sampled_from([np.float16, np.float64, np.int8, np.int64, np.bool_, np.complex64])
    change = data.draw(st.sampled_from(["type", "shape", "name", "number", "gone"]))
    if change == "type":
        tensors[name] = tensor.astype(data.draw(kinds))
    elif change == "shape":
        shapes = [(0,), (), (1, *tensor.shape), tensor.T.shape, (tensor.size,), tensor[:-1].shape]
        tensors[name] = np.resize(tensor, data.draw(st.sampled_from(shapes)))
    elif change == "name":
        tensors[data.draw(st.text(max_size=20))] = tensor
    elif change == "number":
        number = data.draw(st.floats(width=32))
        tensors[name] = np.where(np.arange(tensor.size).reshape(tensor.shape) == 1, number, tensor)
    save_file(
        {n: np.ascontiguousarray(t) for n, t in tensors.items()}, folder / "model.safetensors"
    )
    use(folder)
