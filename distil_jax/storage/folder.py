"""A folder that may be in a bucket: the few things that are done with either kind."""

import os
from pathlib import Path
from typing import Protocol, runtime_checkable

from distil_jax.storage.address import is_url
from distil_jax.storage.bucket import Bucket
from distil_jax.storage.local import LocalFolder


@runtime_checkable
class Folder(Protocol):
    """Files by their names relative to the folder, as in `train/00000-00000.arrow`.

    What is missing raises FileNotFoundError. Of a disk the other refusals are OSErrors; those of a
    bucket are UserErrors.
    """

    @property
    def address(self) -> str:
        """The folder as a user names it."""

    def is_file(self) -> bool:
        """Whether the address is a file's."""

    def is_empty(self) -> bool:
        """Whether nothing has been written there, or the folder is missing."""

    def has(self, name: str) -> bool:
        """Whether a file is there."""

    def sizes(self, below: str = "") -> dict[str, int]:
        """The files below a name, in bytes."""

    def read(self, name: str) -> bytes:
        """A file's content."""

    def write(self, name: str, content: bytes | memoryview) -> None:
        """Write a file whole or not at all."""

    def remove(self, name: str) -> None:
        """Remove a file if it is there."""

    def remove_all(self, below: str) -> None:
        """Remove all files below a name."""

    def sweep(self) -> None:
        """Remove what killed processes left of files that they did not finish."""

    def make(self, *names: str) -> None:
        """Make the folder and these in it, where folders have to be made."""

    def unmake(self) -> None:
        """Remove the folders that this object made and that are empty."""

    def on_disk(self, name: str, *, size_bytes: int, sha256: str) -> Path:
        """A file to be mapped into memory: itself, or a copy with this checksum.

        Raises ValueError if what is in the bucket has another checksum.
        """


def open_folder(name: str | Path) -> Folder:
    """The folder of this name; one on a disk need not exist.

    Raises UserError for a URL whose store is unknown or whose library is not installed.
    """
    return Bucket(str(name)) if is_url(name) else LocalFolder(Path(os.path.expanduser(name)))
