"""A new folder that appears whole under its name, or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distil_jax.errors import UserError
from distil_jax.training.workdir import flush_folder, writing


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, named `path` in the end; raises `UserError` if that exists."""
    path = path.absolute()
    if os.path.lexists(path):
        raise UserError(f"{path} exists already; choose another --output, or remove it")
    missing = [parent for parent in path.parents if not parent.exists()]
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield draft
        with writing(path):
            _publish(draft, path)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        for parent in missing:
            if parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()
        raise


def _publish(draft: Path, path: Path) -> None:
    """mkdtemp makes private folders; this one is as readable as any other."""
    umask = os.umask(0)
    os.umask(umask)
    draft.chmod(0o777 & ~umask)
    for file in draft.rglob("*"):
        flush_folder(file)
    os.rename(draft, path)
    flush_folder(path.parent)
