"""A folder in a bucket that a process works on as on files of its own disk.

The bucket is the truth: its files come here when the work begins, and what was changed here goes
there, file by file, each of them whole, in an order in which the bucket is never ahead of itself.
"""

import threading
from collections.abc import Collection
from pathlib import Path

from distil_jax.storage.bucket import Bucket

SMALL_BYTES = 64 << 20

Stamp = tuple[int, int]
"""A file's size in bytes and time of change in nanoseconds."""


class Mirror:
    """`folder` here and `bucket`, except for what is in the bucket alone.

    Args:
        bucket_only: names right in the bucket that are neither copied here nor touched.
        unread: names right in the bucket that are not copied here.
        last: names that are written after all others, in this order.
    """

    def __init__(
        self,
        bucket: Bucket,
        folder: Path,
        *,
        bucket_only: Collection[str],
        unread: Collection[str],
        last: tuple[str, ...],
    ) -> None:
        self._bucket, self._folder = bucket, folder
        self._bucket_only, self._unread, self._last = bucket_only, unread, last
        self._there: dict[str, Stamp] = {}
        self._one_at_a_time = threading.Lock()

    def pull(self) -> None:
        """Copy the bucket's files into the empty folder."""
        for name in self._bucket.sizes():
            if name.split("/")[0] not in (*self._bucket_only, *self._unread):
                path = self._folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                self._bucket.download(name, path)
        self._there = self._here()

    def push(self) -> None:
        """Write what was changed here since, then remove what was removed."""
        with self._one_at_a_time:
            here = self._here()
            changed = [name for name, stamp in here.items() if self._there.get(name) != stamp]
            self._write([name for name in changed if name not in self._last], here)
            for name in self._last:
                self._write([name] if name in changed else [], here)
            for name in {*self._there} - {*here}:
                self._bucket.remove(name)
            self._there = here

    def _write(self, names: list[str], here: dict[str, Stamp]) -> None:
        small = [name for name in names if here[name][0] <= SMALL_BYTES]
        if small:
            self._bucket.write_all({name: (self._folder / name).read_bytes() for name in small})
        for name in names:
            if name not in small:
                self._bucket.upload(self._folder / name, name)

    def _here(self) -> dict[str, Stamp]:
        stamps = {}
        for path in self._folder.rglob("*"):
            parts = path.relative_to(self._folder).parts
            hidden = any(part.startswith(".") for part in parts)  # being written just now
            if not hidden and parts[0] not in self._bucket_only and path.is_file():
                status = path.stat()
                stamps["/".join(parts)] = (status.st_size, status.st_mtime_ns)
        return stamps
