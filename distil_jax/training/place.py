"""Where a run leaves its results: a folder here, or one in a bucket that is worked on here."""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from distil_jax.errors import UserError
from distil_jax.storage import lease
from distil_jax.storage.address import bare, below, cache_folder, is_url
from distil_jax.storage.bucket import Bucket
from distil_jax.storage.lease import Lease
from distil_jax.storage.mirror import Mirror
from distil_jax.training import workdir

CHECKPOINTS, ROWS, HELD_OUT_ROWS = "checkpoints", "data", "validation_data"
APART = (workdir.LOCK, CHECKPOINTS, ROWS, HELD_OUT_ROWS)
UNREAD = ("tensorboard", "profile")
LAST = ("results.json",)


@dataclass(frozen=True)
class Place:
    """A workdir.

    Attributes:
      address: as the user names it.
      folder: where files are written; of a bucket what `publish` copies there.
    """

    address: str
    folder: Path
    bucket: Bucket | None = None
    lease: Lease | None = None
    mirror: Mirror | None = None

    def inside(self, *names: str) -> str | Path:
        """What something in it is called, by a user and by what opens checkpoints and rows."""
        return below(self.address, *names)

    def publish(self) -> None:
        """See to it that what was written so far is where the user wants it.

        Raises `UserError` if a bucket cannot be reached, or another process has taken it over.
        """
        if self.lease is not None and self.mirror is not None:
            self.lease.check()
            self.mirror.push()

    def holder(self) -> str:
        """What the process that holds it wrote of itself."""
        if self.bucket is None:
            return workdir.read_holder(self.folder)
        return (lease.read(self.bucket) or {}).get("id", "")

    def check_held_by(self, holder: str) -> None:
        """Raise a `UserError` unless this process sees the folder that another one holds."""
        if self.bucket is None:
            workdir.check_shared(self.folder, holder)
        elif self.holder() != holder:
            raise UserError(f"{self.address} is not held by process 0; start all processes again")


def named(address: str | Path) -> Place:
    """A workdir that another process holds, or nobody."""
    if not is_url(address):
        return Place(str(address), Path(address))
    if not str(address).startswith("gs://"):
        raise UserError(f"{address} cannot hold a run; --workdir is a folder here or gs://...")
    key = hashlib.sha256(bare(address).encode()).hexdigest()[:16]
    return Place(bare(address), cache_folder("workdirs") / key, Bucket(bare(address)))


@contextmanager
def claimed(address: str | Path) -> Iterator[Place]:
    """Hold a workdir alone while inside; one in a bucket is worked on in a folder of this disk.

    Raises `UserError` if another process holds it, or it cannot be written.
    """
    place = named(address)
    if place.bucket is None:
        with workdir.claim(place.folder):
            yield place
        return
    with workdir.claim(place.folder, named=place.address), lease.held(place.bucket) as held:
        mirror = Mirror(place.bucket, place.folder, apart=APART, unread=UNREAD, last=LAST)
        _empty(place.folder)  # what a killed run left: the bucket is the truth
        mirror.pull()
        place = replace(place, lease=held, mirror=mirror)
        try:
            yield place
        except BaseException:
            with suppress(UserError):  # the first error is the one to tell
                place.publish()
            raise
        else:
            place.publish()
        finally:
            _empty(place.folder)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != workdir.LOCK:
            path.unlink()
