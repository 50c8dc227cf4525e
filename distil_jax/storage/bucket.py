"""A folder in a bucket, by the file system that fsspec has for its URL (gcsfs for `gs://`).

A store writes an object whole or not at all, and shows it from then on to everybody; it has no
folders, no renaming and no appending.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from distil_jax.errors import UserError
from distil_jax.storage import copies
from distil_jax.storage.address import missing_bucket, reaching, strip_slash

READ_BYTES = 16 << 20
OF_A_MODEL = re.compile(r"(\d+_[A-Z][A-Za-z]+/)?[^/]+")
"""A file right in a folder, or in that of a module of sentence-transformers (1_Pooling)."""
WEIGHTS = ".safetensors"
GRAPHS = "onnx/"
"""Where the graphs of an export for transformers.js are; beside weights they are not read."""


class Bucket:
    """Implements `storage.folder.Folder`, and what only a bucket needs.

    Raises `UserError` for whatever the store refuses, and for a bucket that does not exist.
    """

    def __init__(self, url: str) -> None:
        import fsspec

        self.address = strip_slash(url)
        if not urlsplit(url).netloc:
            raise UserError(f"{url} names no bucket; write gs://BUCKET/FOLDER")
        with reaching(self.address):
            # Others write there, TensorStore in this very process: a listing is never remembered.
            self._files, self._root = fsspec.url_to_fs(self.address, use_listings_cache=False)

    def is_file(self) -> bool:
        return self._is_file(self._root)

    def is_empty(self) -> bool:
        return not self.sizes()

    def has(self, name: str) -> bool:
        return self._is_file(self._path(name))

    def sizes(self, below: str = "") -> dict[str, int]:
        return {name: about["size"] for name, about in self._listing(below).items()}

    def read(self, name: str) -> bytes:
        with reaching(self._url(name)):
            return self._files.cat_file(self._path(name))

    def open(self, name: str) -> Any:
        """A file as a stream of bytes."""
        with reaching(self._url(name)):
            return self._files.open(self._path(name), "rb", block_size=READ_BYTES)

    def read_part(self, name: str, start: int, stop: int) -> bytes:
        """A file's bytes from `start` to before `stop`."""
        with reaching(self._url(name)):
            return self._files.cat_file(self._path(name), start=start, end=stop)

    def write(self, name: str, content: bytes | memoryview) -> None:
        self.write_all({name: content})

    def write_all(self, contents: Mapping[str, bytes | memoryview]) -> None:
        """Write several files, in any order."""
        paths = {self._path(name): bytes(content) for name, content in contents.items()}
        with _writing(self.address):
            self._files.pipe(paths)

    def create(self, name: str, content: bytes) -> None:
        """Write a file; raises FileExistsError if it is there, asked and done by the store."""
        with _writing(self.address):
            self._files.pipe_file(self._path(name), content, mode="create")

    def upload(self, path: Path, name: str) -> None:
        """Copy a file from this disk."""
        with _writing(self.address):
            self._files.put_file(str(path), self._path(name))

    def download(self, name: str, path: Path) -> None:
        """Copy a file to this disk; whether it is whole is for the caller to see."""
        with reaching(self._url(name)):
            self._files.get_file(self._path(name), str(path))

    def move_all(self, below: str, to: str) -> None:
        """Give all files below a name another one; the store copies them."""
        for name in self.sizes(below):
            with reaching(self._url(name)):
                self._files.mv(self._path(name), self._path(to + name.removeprefix(below)))

    def remove(self, name: str) -> None:
        self._remove([name])

    def remove_all(self, below: str) -> None:
        self._remove(list(self.sizes(below)))

    def sweep(self) -> None: ...

    def make(self, *names: str) -> None: ...

    def unmake(self) -> None: ...

    def on_disk(self, name: str, *, size_bytes: int, sha256: str) -> Path:
        return copies.file(
            self._url(name),
            lambda path: self.download(name, path),
            size_bytes=size_bytes,
            sha256=sha256,
        )

    def copy(self) -> Path:
        """A copy on this disk of a model's files: those right in this folder, and its modules'.

        Of an export they are its graphs', too.
        """
        listing = self._listing("")
        graphs = "" if any(name.endswith(WEIGHTS) for name in listing) else GRAPHS
        files = {
            name: file
            for name, file in listing.items()
            if OF_A_MODEL.fullmatch(name.removeprefix(graphs))
        }
        if not files:
            raise UserError(f"{self.address} holds no files; check the name")
        # All that the store says of a file: its generation, checksum or time is among it.
        version = repr([sorted(file.items()) for _, file in sorted(files.items())])
        sizes = {name: file["size"] for name, file in files.items()}
        return copies.folder(self.address, sizes, version, self.download)

    def copy_of(self, name: str) -> Path:
        """A copy on this disk of one file, whatever its content."""
        with reaching(self._url(name)):
            about = self._files.info(self._path(name))
        version, sizes = repr(sorted(about.items())), {name: about["size"]}
        return copies.folder(self._url(name), sizes, version, self.download) / name

    def _listing(self, below: str) -> dict[str, Mapping[str, Any]]:
        root = self._path(below)
        with reaching(self.address):
            try:
                listing = self._files.find(root, detail=True)
            except FileNotFoundError as error:
                raise missing_bucket(self.address) from error
        whole = f"{self._root}/"
        return {
            name.removeprefix(whole): about
            for name, about in listing.items()
            if name.startswith(f"{root.rstrip('/')}/") and not name.endswith("/")
        }

    def _is_file(self, path: str) -> bool:
        with reaching(self.address):
            try:
                return self._files.info(path)["type"] == "file"
            except FileNotFoundError:
                return False

    def _remove(self, names: list[str]) -> None:
        with reaching(self.address):
            try:
                if names:
                    self._files.rm([self._path(name) for name in names])
            except FileNotFoundError:
                return

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}" if name else self._root

    def _url(self, name: str) -> str:
        return f"{self.address}/{name}"


def is_glob(url: str) -> bool:
    """Whether a URL is a pattern."""
    return any(letter in url for letter in "*?[")


def matching(url: str) -> dict[str, int]:
    """URLs and sizes in bytes of what a URL means: one file, all in a folder, or a glob's matches.

    Raises `UserError` if the store refuses, or the bucket does not exist.
    """
    bucket = Bucket(url)
    with reaching(url):
        try:
            search = bucket._files.glob if is_glob(url) else bucket._files.find
            matches = search(bucket._root, detail=True)
        except FileNotFoundError as error:
            raise missing_bucket(url) from error
    scheme = urlsplit(url).scheme
    return {
        f"{scheme}://{name.lstrip('/')}": about["size"]
        for name, about in sorted(matches.items())
        if about["type"] == "file"
    }


@contextmanager
def _writing(url: str) -> Iterator[None]:
    with reaching(url):
        try:
            yield
        except FileNotFoundError as error:
            raise missing_bucket(url) from error
