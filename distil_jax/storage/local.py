"""A folder on a disk of this machine."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from distil_jax.storage import atomic


class LocalFolder:
    """Implements `storage.folder.Folder`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._made: list[Path] = []

    @property
    def address(self) -> str:
        return str(self.path)

    def is_file(self) -> bool:
        return self.path.exists() and not self.path.is_dir()

    def is_empty(self) -> bool:
        names = (Path(name).name for name in self.sizes())
        return all(name.startswith(atomic.MARK) for name in names)

    def has(self, name: str) -> bool:
        return (self.path / name).is_file()

    def sizes(self, below: str = "") -> dict[str, int]:
        sizes = {}
        for folder, _, names in os.walk(self.path / below):
            for path in (Path(folder, name) for name in names):
                with suppress(FileNotFoundError):  # another process has removed or renamed it
                    sizes[str(path.relative_to(self.path))] = path.stat().st_size
        return sizes

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def write(self, name: str, content: bytes | memoryview) -> None:
        atomic.put(self.path / name, content)

    def remove(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)

    def remove_all(self, below: str) -> None:
        shutil.rmtree(self.path / below, ignore_errors=True)

    def sweep(self) -> None:
        for stray in self.path.rglob(f"{atomic.MARK}*"):
            stray.unlink(missing_ok=True)

    def make(self, *names: str) -> None:
        inside = (self.path / name for name in names)
        for folder in (*reversed(self.path.parents), self.path, *inside):
            if not folder.is_dir():
                folder.mkdir(exist_ok=True)
                self._made.append(folder)

    def unmake(self) -> None:
        for folder in reversed(self._made):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def on_disk(self, name: str, *, size_bytes: int, sha256: str) -> Path:
        return self.path / name
