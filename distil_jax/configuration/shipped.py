"""The configs that the package ships, and where a user's `--config` is."""

import difflib
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from distil_jax.errors import UsageError


def find(name: str) -> Path:
    """The config file that `name` means: a path, or the name of one that the package ships."""
    if Path(name).is_file():
        return Path(name)
    # A path like configs/tpu_v4.py means the shipped config where no checkout is around.
    shipped = {path.stem: path for path in sorted(_folder().glob("[!_]*.py"))}
    stem = Path(name).stem
    if stem in shipped and name in (stem, f"{stem}.py", f"configs/{stem}.py"):
        return shipped[stem]
    nearest = difflib.get_close_matches(stem, shipped, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"shipped are {', '.join(shipped)}"
    raise UsageError(f"--config={name} is neither a file nor a shipped config; {hint}")


def base() -> ModuleType:
    """`configs/base.py`, which declares the keys."""
    make_importable()
    return importlib.import_module("distil_jax.configs.base")


def make_importable() -> None:
    """Let `distil_jax.configs` be imported in a checkout that was not installed, too."""
    if importlib.util.find_spec("distil_jax.configs") is not None:
        return
    folder = _folder()
    spec = importlib.util.spec_from_file_location(
        "distil_jax.configs", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    sys.modules["distil_jax.configs"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


def _folder() -> Path:
    """The shipped configs: inside the installed package, beside it in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"
