"""A run's folder: on a disk, or in a bucket and worked on in a folder of this disk."""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from distil_jax.errors import UserError
from distil_jax.storage import lease
from distil_jax.storage import lock as folder_lock
from distil_jax.storage.address import is_url, join, strip_slash
from distil_jax.storage.bucket import Bucket
from distil_jax.storage.cache import cache_folder
from distil_jax.storage.lease import Lease
from distil_jax.storage.mirror import Mirror

CHECKPOINTS, ROWS, VALIDATION_ROWS = "checkpoints", "data", "validation_data"
IN_BUCKET_ONLY = (folder_lock.FILE, CHECKPOINTS, ROWS, VALIDATION_ROWS)
NOT_READ = ("tensorboard", "profile")
WRITTEN_LAST = ("results.json",)


@dataclass(frozen=True)
class Workdir:
    """Where a run leaves its results.

    Attributes:
      address: as the user names it.
      folder: where files are written; of a bucket what `publish` copies there.
    """

    address: str
    folder: Path
    bucket: Bucket | None = None
    lease: Lease | None = None
    mirror: Mirror | None = None

    def join(self, *names: str) -> str | Path:
        """What something in it is called, by a user and by what opens checkpoints and rows."""
        return join(self.address, *names)

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
            return folder_lock.read_holder(self.folder)
        return (lease.read(self.bucket) or {}).get("id", "")

    def check_held_by(self, holder: str) -> None:
        """Raise a `UserError` unless this process sees the folder that another one holds."""
        if self.bucket is None:
            folder_lock.check_shared(self.folder, holder)
        elif self.holder() != holder:
            raise UserError(f"{self.address} is not held by process 0; start all processes again")


def resolve(address: str | Path) -> Workdir:
    """A workdir that another process holds, or nobody.

    Raises `UserError` for a URL that is not a bucket's of Google Cloud Storage.
    """
    if not is_url(address):
        return Workdir(str(address), Path(address))
    if not str(address).startswith("gs://"):
        raise UserError(f"{address} cannot hold a run; --workdir is a local folder or gs://...")
    url = strip_slash(address)
    key = hashlib.sha256(url.encode()).hexdigest()[:16]
    return Workdir(url, cache_folder("workdirs") / key, Bucket(url))


@contextmanager
def lock(address: str | Path) -> Iterator[Workdir]:
    """Hold a workdir alone while inside; one in a bucket is worked on in a folder of this disk.

    Raises `UserError` if another process holds it, or it cannot be written.
    """
    workdir = resolve(address)
    if workdir.bucket is None:
        with folder_lock.lock(workdir.folder):
            yield workdir
        return
    with (
        folder_lock.lock(workdir.folder, shown_as=workdir.address),
        lease.hold(workdir.bucket) as held,
    ):
        mirror = Mirror(
            workdir.bucket,
            workdir.folder,
            bucket_only=IN_BUCKET_ONLY,
            unread=NOT_READ,
            last=WRITTEN_LAST,
        )
        _empty(workdir.folder)  # what a killed run left: the bucket is the truth
        mirror.pull()
        workdir = replace(workdir, lease=held, mirror=mirror)
        try:
            yield workdir
        except BaseException:
            with suppress(UserError):  # the first error is the one to report
                workdir.publish()
            raise
        else:
            workdir.publish()
        finally:
            _empty(workdir.folder)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != folder_lock.FILE:
            path.unlink()
