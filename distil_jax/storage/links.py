"""Links to files that are not there, as a copy of the hub's cache without its blobs holds them."""

from pathlib import Path

from distil_jax.errors import UserError

READ = frozenset([".json", ".model", ".onnx", ".safetensors", ".txt"])
"""Suffixes of the files that are read of a model folder, some of them only if they are there."""


def check(folder: Path) -> None:
    """Refuse a folder whose files lead nowhere; raises `UserError` with the first of them."""
    for path in sorted(folder.glob("*")):
        if path.suffix in READ and path.is_symlink() and not path.exists():
            raise UserError(
                f"{path} is a link to {path.readlink()}, which does not exist; copy the folder "
                "again with the files that its links lead to, as cp -rL does"
            )
