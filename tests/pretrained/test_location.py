import time

import pytest

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
    assert locate("some/model") == tmp_path
    assert asked["name"] == "some/model"
    assert not any("bin" in pattern for pattern in asked["allow_patterns"])


def test_an_absent_builtin_teacher_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(
        "distil_jax.pretrained.location.resolve", lambda name: tmp_path / "builtin_teacher"
    )
    with pytest.raises(UserError, match="builtin:teacher is not part of this installation"):
        locate("builtin:teacher")
