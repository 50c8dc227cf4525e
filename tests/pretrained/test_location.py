import time

import pytest
from huggingface_hub.utils import filter_repo_objects

from distil_jax.errors import UserError
from distil_jax.pretrained import locate


def test_a_folder_is_itself(tmp_path):
    assert locate(tmp_path) == tmp_path


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere", "~/nowhere", "a/b/c", ""])
def test_what_can_only_be_a_folder_is_not_asked_of_the_hub(name, monkeypatch):
    def asked(*_: object, **__: object) -> None:
        pytest.fail("the hub was asked")  # no exception that a caller would take for an answer

    monkeypatch.setattr("huggingface_hub.snapshot_download", asked)
    with pytest.raises(UserError):
        locate(name)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match="is a file; give the model folder"):
        locate(tmp_path / "model.safetensors")


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer_config.json"])
def test_a_link_whose_file_was_not_copied_is_named(tmp_path, name):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / name).symlink_to("../../blobs/4d7a")
    with pytest.raises(UserError, match=rf"{name} is a link to ../../blobs/4d7a, which does not"):
        locate(tmp_path)


def test_links_whose_files_are_there_are_read(tmp_path):
    (tmp_path / "blob").write_text("{}")
    (tmp_path / "config.json").symlink_to("blob")
    (tmp_path / ".cache").symlink_to("nowhere")
    assert locate(tmp_path) == tmp_path


def test_a_hub_id_without_network_is_a_quick_error_and_nothing_else(capfd):
    start = time.monotonic()
    with pytest.raises(UserError, match=r"some/model is neither a folder here nor reachable"):
        locate("some/model")
    assert time.monotonic() - start < 20
    assert capfd.readouterr() == ("", "")


def test_the_hub_is_asked_for_weights_that_are_no_pickles(monkeypatch, tmp_path):
    asked = {}

    def download(name, **options):
        asked.update(options, name=name)
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    (tmp_path / "config.json").touch()
    with pytest.raises(UserError, match="safetensors on the hub; type hf download some/model "):
        locate("some/model")
    there = ("config.json", "vocab.txt", "pytorch_model.bin", "model.safetensors")
    within = [
        *("1_Pooling/config.json", "2_Dense/model.safetensors", "2_Dense/pytorch_model.bin"),
        *("onnx/config.json", "checkpoint-500/model.safetensors"),
    ]
    (tmp_path / "model.safetensors").touch()
    for inner, wanted in ((False, []), (True, within[:2])):
        assert locate("some/model", inner=inner) == tmp_path
        assert asked["name"] == "some/model"
        patterns = {key: asked[key] for key in ("allow_patterns", "ignore_patterns")}
        found = filter_repo_objects([*there, *within], **patterns)
        assert [*found] == ["config.json", "vocab.txt", "model.safetensors", *wanted]


def test_an_absent_builtin_teacher_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(
        "distil_jax.pretrained.location.resolve", lambda name: tmp_path / "builtin_teacher"
    )
    with pytest.raises(UserError, match="builtin:teacher is not part of this installation"):
        locate("builtin:teacher")
