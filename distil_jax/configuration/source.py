"""From `--config=FILE|NAME --config.KEY=VALUE` to a checked `Config`."""

import difflib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_flags

from distil_jax.configuration import schema as run_config
from distil_jax.configuration.loss import complete
from distil_jax.configuration.schema import Config
from distil_jax.errors import UsageError


def read(name: str, overrides: Sequence[str]) -> Config:
    """The config of a file, or of a name among the shipped ones, with `--config.KEY=VALUE` applied.

    Raises `UsageError` for an unknown file or key (the nearest right one is named) or a value of
    another type.
    """
    values = _from_file(find(name))
    if isinstance(values.get("loss"), ConfigDict):
        complete(values.loss)
    _check_keys(values, overrides)
    return run_config.from_mapping(_override(values, overrides).to_dict())


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


def _folder() -> Path:
    """The shipped configs: inside the installed package, beside it in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


def _from_file(path: Path) -> ConfigDict:
    _make_base_importable()
    module = ModuleType(f"distil_jax_config_{path.stem}")
    module.__file__ = str(path)
    try:
        # Not imported: that would leave a __pycache__ beside the user's file.
        exec(compile(path.read_bytes(), path, "exec"), vars(module))
        values = _get_config(module, path)
    except UsageError:
        raise
    except Exception as error:  # a config is the user's code: whatever it raises is theirs to see
        raise UsageError(f"--config={path} fails: {type(error).__name__}: {error}") from error
    return values


def _make_base_importable() -> None:
    """Let configs import `distil_jax.configs` in a checkout that was not installed, too."""
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


def _get_config(module: ModuleType, path: Path) -> ConfigDict:
    if not hasattr(module, "get_config"):
        raise UsageError(f"--config={path} defines no get_config(); see configs/base.py")
    values = module.get_config()
    if not isinstance(values, ConfigDict):
        raise UsageError(f"--config={path}: get_config() must return a ml_collections.ConfigDict")
    return values


def _check_keys(values: ConfigDict, overrides: Sequence[str]) -> None:
    known = _keys(values.to_dict())
    for override in overrides:
        if not override.startswith("--config."):
            raise UsageError(f"unknown argument {override!r}; config values are --config.KEY=VALUE")
        key, equals, _ = override.removeprefix("--config.").partition("=")
        if key not in known:
            nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            last = [name for name in known if name.split(".")[-1] == key.split(".")[-1]]
            hint = f"; did you mean config.{(nearest or last)[0]}?" if nearest or last else ""
            raise UsageError(
                f"unknown config key config.{key}{hint} (configs/base.py has them all)"
            )
        if not equals:
            raise UsageError(f"config.{key} has no value; write --config.{key}=VALUE")


def _keys(values: dict[str, Any], prefix: str = "") -> list[str]:
    keys: list[str] = []
    for name, value in values.items():
        keys += _keys(value, f"{prefix}{name}.") if isinstance(value, dict) else [f"{prefix}{name}"]
    return keys


def _override(values: ConfigDict, overrides: Sequence[str]) -> ConfigDict:
    for override in overrides:
        key, _, value = override.removeprefix("--config.").partition("=")
        parsed = flags.FlagValues()
        line = ["main", override]
        config_flags.DEFINE_config_dict("config", values, flag_values=parsed, sys_argv=line)
        try:
            parsed(line)
        except (flags.Error, TypeError, ValueError, SyntaxError) as error:
            wanted = type(_get(values, key)).__name__
            raise UsageError(f"config.{key}={value!r} must be of type {wanted}") from error
    return values


def _get(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values[part]
    return values
