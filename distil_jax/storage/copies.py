"""Copies on this disk of what is in a bucket: kept between runs, used only while they are whole.

    $DISTIL_JAX_CACHE/files/<URL>-<checksum>.arrow        a file whose SHA-256 is known beforehand
    $DISTIL_JAX_CACHE/folders/<URL and versions>/NAME/    a folder's files, with digests of them

A copy is made under another name, compared, and only then given its own, so that none is partial.
Nothing is ever removed but what is damaged: the folder may be emptied between runs.
"""

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from distil_jax.errors import FULL, UserError
from distil_jax.storage import digests
from distil_jax.storage.address import cache_folder, last

UNFINISHED = ".unfinished-"


def file(url: str, download: Callable[[Path], None], *, size_bytes: int, sha256: str) -> Path:
    """A copy with this checksum, from before if there is one that still has it.

    Raises ValueError if what is downloaded has another one, UserError where there is no room.
    """
    name = f"{_key(url)}-{sha256[:16]}{Path(url).suffix}"
    target = cache_folder("files") / name
    with _alone(target, url, size_bytes):
        if not (target.is_file() and _sha256(target) == sha256):
            draft = target.with_name(f"{UNFINISHED}{name}")
            try:
                download(draft)
                if _sha256(draft) != sha256:
                    raise ValueError("its checksum differs from the manifest's")
                os.replace(draft, target)
            finally:
                draft.unlink(missing_ok=True)
    return target


def folder(
    url: str, sizes: Mapping[str, int], version: str, download: Callable[[str, Path], None]
) -> Path:
    """A copy of a folder's files in this version of them, from before if it is still whole.

    Raises UserError if what is downloaded is not whole, or where there is no room.
    """
    target = cache_folder("folders") / _key(f"{url} {version}") / last(url)
    with _alone(target.parent, url, sum(sizes.values())):
        if digests.damage(target) is not None:
            shutil.rmtree(target.parent, ignore_errors=True)
            draft = target.parent.with_name(f"{UNFINISHED}{target.parent.name}")
            shutil.rmtree(draft, ignore_errors=True)
            try:
                _fill(draft / target.name, url, sizes, download)
                os.replace(draft, target.parent)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
    return target


def _fill(
    draft: Path, url: str, sizes: Mapping[str, int], download: Callable[[str, Path], None]
) -> None:
    draft.mkdir(parents=True)
    for name, size in sizes.items():
        download(name, draft / name)
        found = (draft / name).stat().st_size
        if found != size:
            raise UserError(f"{url}/{name} came with {found} bytes instead of {size}; try again")
    digests.write(draft)


@contextmanager
def _alone(target: Path, url: str, size_bytes: int) -> Iterator[None]:
    """One process of this machine at a time; whatever the disk refuses becomes a `UserError`."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target.parent / f"{target.name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.exists() and shutil.disk_usage(target.parent).free < size_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            yield
    except FileNotFoundError:  # of the bucket
        raise
    except OSError as error:
        if error.errno in FULL:
            raise UserError(
                f"{url} does not fit on this disk: {size_bytes / 1e9:.2f} GB are copied to "
                f"{target.parent}; free some space, or set DISTIL_JAX_CACHE to a larger disk"
            ) from error
        raise UserError(
            f"{url} cannot be copied to {target.parent} ({error.strerror or error}); make it "
            "writable, or set DISTIL_JAX_CACHE to another folder"
        ) from error


def _sha256(path: Path) -> str:
    with open(path, "rb") as opened:
        return digests.sha256(opened)


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
