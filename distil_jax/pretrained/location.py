"""From what the user names (a folder, a hub id, `builtin:teacher`) to a folder on this machine."""

from collections.abc import Sequence
from pathlib import Path

from distil_jax.errors import UserError
from distil_jax.tokenizer import BUILTIN_TEACHER, resolve

WEIGHTS = ("model*.safetensors", "[0-9]_*/model*.safetensors")
"""Those right in the folder, and those of a module of sentence-transformers (2_Dense)."""
WANTED_FILES = ["*.json", "*.txt", "*.model", *WEIGHTS]
ANY_FOLDER = ("*/*",)
EXPORTS = ("onnx/*", "openvino/*", "coreml/*")
CONNECT_SECONDS = 5


def locate(name: str | Path, *, inner: bool = False) -> Path:
    """The model's folder, downloaded once where `name` is a hub id; raises `UserError`.

    With `inner` the folders of a hub id's modules come along, such as 1_Pooling.
    """
    if not str(name):
        raise UserError("the model's name is empty; give a folder, or a hub id")
    folder = resolve(name)
    if folder.is_dir():
        return folder
    if str(name) == BUILTIN_TEACHER:
        raise UserError(f"{BUILTIN_TEACHER} is not part of this installation; {folder} is missing")
    if folder.exists():
        raise UserError(f"{folder} is a file; give the model folder that holds it")
    if not _is_hub_id(str(name)):
        raise UserError(f"model folder {name} does not exist; give a folder, or a hub id")
    return _download(str(name), EXPORTS if inner else ANY_FOLDER)


def _is_hub_id(name: str) -> bool:
    return not name.startswith((".", "/", "~")) and name.count("/") <= 1


def _download(name: str, ignored: Sequence[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    try:
        folder = Path(
            snapshot_download(
                name,
                allow_patterns=WANTED_FILES,
                ignore_patterns=list(ignored),
                etag_timeout=CONNECT_SECONDS,
            )
        )
    except Exception as error:  # the hub's client lets several libraries' errors through
        raise UserError(
            f"model {name} is neither a folder here nor reachable on the hub "
            f"({type(error).__name__}); check the name and the network, or give a folder"
        ) from error
    if not any(any(folder.glob(pattern)) for pattern in WEIGHTS):
        raise UserError(
            f"model {name} has no model.safetensors on the hub; type hf download {name} "
            "--local-dir FOLDER and give that folder: then it is said how to convert its weights"
        )
    return folder
