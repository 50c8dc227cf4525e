"""Copies on this disk of what is in a bucket: kept between runs, used only while they are whole.

    $DISTIL_JAX_CACHE/files/<URL>-<checksum>.arrow        a file whose SHA-256 is known beforehand
    $DISTIL_JAX_CACHE/folders/<URL and versions>/NAME/    a folder's files, with digests of them

A copy is made under another name, compared, and only then given its own, so that none is partial.
Nothing is ever removed but what is damaged: the folder may be emptied between runs. Where nothing
is kept (storage.cache) the copies are this process's and go with it.
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
from distil_jax.storage import atomic, digests
from distil_jax.storage.address import basename
from distil_jax.storage.cache import cache_folder


def file(url: str, download: Callable[[Path], None], *, size_bytes: int, sha256: str) -> Path:
    """A copy with this checksum, from before if there is one that still has it.

    Raises ValueError if what is downloaded has another one, UserError where the disk is full.
    """
    name = f"{_key(url)}-{sha256[:16]}{Path(url).suffix}"
    target = cache_folder("files") / name
    with _locked(target, url, size_bytes):
        if not (target.is_file() and _sha256(target) == sha256):
            with atomic.raw_draft(target) as draft:
                download(draft)
                if _sha256(draft) != sha256:
                    raise ValueError("its checksum differs from the manifest's")
    return target


def folder(
    url: str, sizes: Mapping[str, int], version: str, download: Callable[[str, Path], None]
) -> Path:
    """A copy of a folder's files in this version of them, from before if it is still whole.

    Raises UserError if what is downloaded is not whole, or where the disk is full.
    """
    target = cache_folder("folders") / _key(f"{url} {version}") / basename(url)
    with _locked(target.parent, url, sum(sizes.values())):
        if digests.damage(target) is not None:
            shutil.rmtree(target.parent, ignore_errors=True)
            with atomic.raw_draft(target.parent) as draft:
                _fill(draft / target.name, url, sizes, download)
    return target


def _fill(
    draft: Path, url: str, sizes: Mapping[str, int], download: Callable[[str, Path], None]
) -> None:
    draft.mkdir(parents=True)
    for name, size in sizes.items():
        (draft / name).parent.mkdir(exist_ok=True)
        download(name, draft / name)
        size_bytes = (draft / name).stat().st_size
        if size_bytes != size:
            raise UserError(
                f"{url}/{name} came with {size_bytes} bytes instead of {size}; try again"
            )
    digests.write(draft)


@contextmanager
def _locked(target: Path, url: str, size_bytes: int) -> Iterator[None]:
    """One process of this machine at a time; whatever the disk refuses becomes a `UserError`."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target.parent / f"{target.name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            atomic.sweep(target.parent, target.name)
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
    with open(path, "rb") as content:
        return digests.sha256(content)


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
