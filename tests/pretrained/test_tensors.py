import contextlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from distil_jax.errors import UserError
from distil_jax.pretrained import load_weights
from distil_jax.pretrained.tensors import open_tensors


def shard(folder: Path) -> dict[str, str]:
    """Split the folder's only file into two with an index."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    files = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    places = {name: files[number % 2] for number, name in enumerate(sorted(tensors))}
    for file in files:
        save_file({n: t for n, t in tensors.items() if places[n] == file}, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    return places


def test_a_sharded_folder_holds_the_same(folder):
    before = load_file(folder / "model.safetensors")
    shard(folder)
    tensors = open_tensors(folder)
    assert set(tensors.files) == set(before)
    for name, expected in before.items():
        np.testing.assert_array_equal(tensors.read(name, expected.shape), expected)


def test_a_missing_shard_is_named(folder):
    shard(folder)
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(UserError, match=r"model-00002-of-00002.safetensors does not exist"):
        open_tensors(folder)


def test_an_index_that_names_what_is_not_there(folder):
    places = shard(folder)
    file = folder / "model.safetensors.index.json"
    file.write_text(json.dumps({"weight_map": places | {"ghost": places[min(places)]}}))
    with pytest.raises(UserError, match="lacks tensor ghost"):
        open_tensors(folder)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"weight_map": {}}', '{"weight_map": {"a": "../b"}}']
)
def test_a_damaged_index_is_named(folder, text):
    shard(folder)
    (folder / "model.safetensors.index.json").write_text(text)
    with pytest.raises(UserError, match=r"index.json .*copy it again"):
        open_tensors(folder)


@pytest.mark.parametrize("kind", ["classifier", "module", "another head", "tied"])
def test_pickles_are_refused_with_a_way_out_that_loses_nothing(hugging_face, tmp_path, kind):
    import torch

    auto = "AutoModelForMaskedLM" if kind == "tied" else "AutoModelForSequenceClassification"
    model = hugging_face("bert", auto, num_labels=3)
    model.save_pretrained(tmp_path)
    before = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    tensors = model.state_dict()
    if kind == "another head":  # as DeBERTa's released folders have, that no class reads
        tensors["lm_predictions.lm_head.bias"] = torch.arange(60.0).reshape(6, 10).T
        before["lm_predictions.lm_head.bias"] = tensors["lm_predictions.lm_head.bias"].numpy()
    torch.save(tensors, tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    if kind == "module":  # of sentence-transformers, such as 2_Dense
        (tmp_path / "config.json").write_text('{"in_features": 16}')
    with pytest.raises(UserError, match=r"has only pytorch_model.bin, which is not read") as error:
        open_tensors(tmp_path)
    exec(re.search('python -c "(.*)"', str(error.value))[1])
    found = load_file(tmp_path / "model.safetensors")
    assert found.keys() == before.keys()
    assert all(np.array_equal(found[name], before[name]) for name in before)


@pytest.mark.parametrize(
    ("file", "way"),
    [
        ("pytorch_model.bin.index.json", r"once: python -c .*BertModel.from_pretrained\('[^,]*'\)"),
        ("tf_model.h5", r"'transformers<5' tensorflow was typed: .*BertModel.*, from_tf=True\)"),
        ("flax_model.msgpack", r"'transformers<5' flax was typed: .*BertModel.*, from_flax=True\)"),
    ],
)
def test_other_programs_weights_are_converted_by_the_folders_class(tmp_path, file, way):
    (tmp_path / "config.json").write_text('{"architectures": ["BertModel"]}')
    (tmp_path / file).write_bytes(b"")
    with pytest.raises(UserError, match=way):
        open_tensors(tmp_path)


def test_no_weights_at_all(tmp_path):
    with pytest.raises(UserError, match=r"has no model\.safetensors"):
        open_tensors(tmp_path)


def test_an_export_has_no_weights_to_read(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(UserError, match="is an ONNX export; give the model folder"):
        open_tensors(tmp_path)


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_a_truncated_file_is_named(folder, kept):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"model\.safetensors is truncated or not a safetensors"):
        open_tensors(folder)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.integers(0, 3000), byte=st.integers(0, 255), cut=st.integers(0, 50))
def test_any_damage_to_the_header_loads_or_is_a_clear_error(folder, place, byte, cut):
    file, whole = folder / "model.safetensors", folder / "whole"
    if not whole.exists():
        whole.write_bytes(file.read_bytes())
    damaged = bytearray(whole.read_bytes())
    damaged[place] = byte
    file.write_bytes(damaged[: len(damaged) - cut])
    with contextlib.suppress(UserError):
        load_weights(folder)


def test_the_index_decides_between_copies_and_the_rest_is_mentioned(folder, capsys):
    before = load_file(folder / "model.safetensors")
    places = shard(folder)
    name = min(places)
    other = next(file for file in set(places.values()) if file != places[name])
    stale = load_file(folder / other) | {name: before[name] + 1, "old": np.zeros(1, np.float32)}
    save_file(stale, folder / other)
    tensors = open_tensors(folder)
    assert set(tensors.files) == set(before)
    np.testing.assert_array_equal(tensors.read(name, before[name].shape), before[name])
    said = capsys.readouterr().err
    assert f"as {name} in {other}: not read" in said
    assert f"as old in {other}: not read" in said


def test_numbered_files_without_an_index_are_read_unless_one_name_is_in_two(folder):
    before = load_file(folder / "model.safetensors")
    places = shard(folder)
    (folder / "model.safetensors.index.json").unlink()
    assert set(open_tensors(folder).files) == set(before)
    first, second = sorted(set(places.values()))
    name = next(name for name, file in places.items() if file == first)
    save_file(load_file(folder / second) | {name: before[name]}, folder / second)
    with pytest.raises(UserError, match=f"tensor {name} is in .*{first} and in {second}"):
        open_tensors(folder)
    (folder / second).unlink()
    with pytest.raises(UserError, match="has 1 of the 2 files"):
        open_tensors(folder)


def test_weights_by_another_name_are_named(folder):
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    with pytest.raises(UserError, match="an adapter; merge it"):
        open_tensors(folder)
    (folder / "adapter_model.safetensors").rename(folder / "best.safetensors")
    with pytest.raises(UserError, match=r"no model.safetensors but best.safetensors"):
        open_tensors(folder)


@pytest.mark.parametrize("name", ["model.pt", "model.gguf", "onnx/model.onnx", "bert.ckpt.index"])
def test_weights_of_other_programs_are_named(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(UserError, match=f"no model.safetensors but {re.escape(name)}, which is"):
        open_tensors(tmp_path)


def test_a_pointer_of_git_lfs_is_named(tmp_path):
    file = tmp_path / "model.safetensors"
    file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 440449768\n")
    with pytest.raises(UserError, match="pointer of Git LFS, not the file itself; fetch it with"):
        open_tensors(tmp_path)


@pytest.mark.parametrize("kind", ["int8", "float8_e4m3fn"])
def test_quantized_weights_are_refused_by_their_type(folder, kind):
    import torch
    from safetensors import torch as of_torch

    file = folder / "model.safetensors"
    tensors = of_torch.load_file(file)
    of_torch.save_file({n: t.to(getattr(torch, kind)) for n, t in tensors.items()}, file)
    stored = {"int8": "I8", "float8_e4m3fn": "F8_E4M3"}[kind]
    with pytest.raises(UserError, match=rf"is stored as {stored}, .*F16, BF16; use the model as"):
        load_weights(folder)
