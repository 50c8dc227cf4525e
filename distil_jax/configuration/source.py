"""From `--config=FILE|NAME --config.KEY=VALUE` to a checked `Config`."""

import copy
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_flags

from distil_jax.configuration import schema as run_config
from distil_jax.configuration.config_dict import add_missing, note, noted
from distil_jax.configuration.declared import declared, nearest, of_objectives
from distil_jax.configuration.schema import Config
from distil_jax.configuration.shipped import find, make_importable
from distil_jax.configuration.tree import flat
from distil_jax.errors import UsageError

UNKNOWN_KEY = re.compile(r'Key "(.+?)" does not exist and cannot be added')
DID_YOU_MEAN = re.compile(r'Did you mean "(.+?)"')
"""What a ConfigDict says, around a list of all that it has."""


def read(name: str, overrides: Sequence[str], *, notes: Any = None) -> Config:
    """The config of a file, or of a name among the shipped ones, with `--config.KEY=VALUE` applied.

    A line for each key under an earlier name goes to `notes`, standard output where it is None.
    Raises `UsageError` for an unknown file or key (the nearest right one is named) or a value of
    another type.
    """
    with noted() as lines:
        config = _checked(load(name), overrides)
    for line in lines:
        print(line, file=notes, flush=True)
    return config


def from_values(values: ConfigDict, overrides: Mapping[str, Any]) -> Config:
    """The config of a `get_config()`, with other values by their keys, as {"batch.size": 8}.

    Raises `UsageError` as `read` does.
    """
    values = copy.deepcopy(values)
    return _checked(values, [f"--config.{key}={value}" for key, value in overrides.items()])


def _checked(values: ConfigDict, overrides: Sequence[str]) -> Config:
    add_missing(values, of_objectives())
    values = _override(values, _under_current_names(values, overrides))
    leaves = flat(values.to_dict())
    for key in declared():
        if key.was in leaves:
            note(key)
    return run_config.from_mapping(values.to_dict())


def load(name: str) -> ConfigDict:
    """What `get_config()` returns of a file, or of a name among the shipped ones."""
    path = find(name)
    make_importable()
    module = ModuleType(f"distil_jax_config_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # where dataclasses look for their module's names
    beside = str(path.absolute().parent)
    if beside not in sys.path:
        sys.path.append(beside)  # what stands beside a script can be imported, too
    try:
        # Not imported: that would leave a __pycache__ beside the user's file.
        exec(compile(path.read_bytes(), path, "exec"), vars(module))
        values = _get_config(module, path)
    except UsageError:
        raise
    except Exception as error:  # a config is the user's code: whatever it raises is theirs to see
        if unknown := UNKNOWN_KEY.search(str(error)):
            meant = DID_YOU_MEAN.search(str(error))
            hint = f"; did you mean {meant[1]}?" if meant else ""
            raise UsageError(
                f"--config={path} sets an unknown key, {unknown[1]}{hint} (configs/base.py has "
                "them all)"
            ) from error
        raise UsageError(f"--config={path} fails: {type(error).__name__}: {error}") from error
    return values


def _get_config(module: ModuleType, path: Path) -> ConfigDict:
    if not hasattr(module, "get_config"):
        raise UsageError(f"--config={path} defines no get_config(); see configs/base.py")
    values = module.get_config()
    if not isinstance(values, ConfigDict):
        raise UsageError(f"--config={path}: get_config() must return a ml_collections.ConfigDict")
    return values


def _under_current_names(values: ConfigDict, overrides: Sequence[str]) -> list[str]:
    """The overrides, each checked to be of a key that exists and to have a value."""
    known, earlier = flat(values.to_dict()), {key.was: key for key in declared() if key.was}
    checked = []
    for override in overrides:
        name, equals, value = override.removeprefix("--config.").partition("=")
        if name in earlier:
            note(earlier[name])
            name = earlier[name].name
        if name not in known:
            near = nearest(name)
            hint = f"; did you mean config.{near}?" if near else ""
            raise UsageError(
                f"unknown config key config.{name}{hint} (configs/base.py has them all)"
            )
        if not equals:
            raise UsageError(f"config.{name} has no value; write --config.{name}=VALUE")
        checked.append(f"--config.{name}={value}")
    return checked


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
