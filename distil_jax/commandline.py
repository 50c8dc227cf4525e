"""What every command shares: parse, run, turn a user's error into one line and an exit status."""

import argparse
import difflib
import logging
import math
import os
import re
import shlex
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from itertools import takewhile
from pathlib import Path
from types import ModuleType
from typing import Any, Never

from distil_jax import environment
from distil_jax.errors import FULL, UsageError
from distil_jax.failure import report
from distil_jax.storage.address import is_url

NVIDIA_DEVICES = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg")
"""One of them is there where JAX sees a GPU, the last one under Windows."""


def default_of(action: argparse.Action) -> str:
    """What a flag is without being given, for people; empty where that is nothing."""
    value = action.default
    if action.nargs == 0 or action.required or value in (None, "", (), [], {}, argparse.SUPPRESS):
        return ""
    return ", ".join(map(str, value if isinstance(value, tuple | list) else [value]))


class HelpWithDefaults(argparse.HelpFormatter):
    """Each flag's help, and its default."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        default = default_of(action).replace("%", "%%")
        return " ".join([action.help or "", *([f"(default: {default})"] if default else [])])


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one line, which names the flag that was meant."""

    _given: Sequence[str] = ()

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"formatter_class": HelpWithDefaults, **options})

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        given = sys.argv[1:] if args is None else list(args)
        flags = list(takewhile("--".__ne__, given))  # what follows it is no flag
        self._given = [*map(_at_home, map(self._spelt, flags)), *given[len(flags) :]]
        return super().parse_known_args(self._given, namespace)

    def parse_with_keys(self, arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
        """The flags, and the arguments that set keys of a config; others are refused."""
        flags, keys = self.parse_known_args(arguments)
        for word in keys:
            if not word.startswith("--config."):
                self.error(f"unknown argument {word!r}; config values are --config.KEY=VALUE")
        return flags, keys

    def error(self, message: str) -> Never:
        message = re.sub(r"invalid int value: (.*)", r"\1 is not a whole number", message)
        message = re.sub(r"invalid float value: (.*)", r"\1 is not a number", message)
        meant = "".join(f"; {name}: did you mean {flag}?" for name, flag in self._misspelt())
        raise UsageError(f"{message}{meant} (see {self.prog} --help)")

    def _spelt(self, word: str) -> str:
        """--batch_size and --batch-size are the same flag, whichever of the two a command has."""
        name, equals, value = word.partition("=")
        for spelling in (name, name.replace("_", "-"), f"--{name[2:].replace('-', '_')}"):
            if name.startswith("--") and spelling in self._option_string_actions:
                return f"{spelling}{equals}{value}"
        return word

    def _misspelt(self) -> Iterator[tuple[str, str]]:
        """Flags that were given and are none, with the nearest that is one."""
        flags = [flag[2:] for flag in self._option_string_actions if flag.startswith("--")]
        for word in takewhile("--".__ne__, self._given):  # what follows it is no flag
            name = word.partition("=")[0]
            if not name.startswith("--") or any(flag.startswith(name[2:]) for flag in flags):
                continue
            # By their letters: with the dashes, which all have, any two short ones are near.
            if nearest := difflib.get_close_matches(name[2:], flags, n=1):
                yield name, f"--{nearest[0]}"


def _at_home(word: str) -> str:
    """A shell expands the ~ of `--workdir ~/runs`, and leaves that of --workdir=~/runs."""
    name, equals, value = word.partition("=")
    return f"{name}{equals}{os.path.expanduser(value)}" if name.startswith("--") else word


def asks_for_help(arguments: Sequence[str]) -> bool:
    """Whether a command line only wants to know its flags."""
    return "--help" in arguments or "-h" in arguments


def typed(module: str, arguments: Sequence[str]) -> str:
    """A command as a shell takes it, for model cards."""
    return shlex.join(["python", "-m", f"distil_jax.{module}", *arguments])


def positive(value: str) -> int:
    """A count on the command line: a whole number of at least 1."""
    return _at_least(value, 1)


def natural(value: str) -> int:
    """A whole number of at least 0 on the command line."""
    return _at_least(value, 0)


def length(value: str) -> int:
    """Tokens of a sequence on the command line: enough for two sentences and their separators."""
    return _at_least(value, 8)


def add_dtype(parser: argparse.ArgumentParser) -> None:
    """The flag for what a model computes in."""
    parser.add_argument(
        "--dtype",
        choices=("float32", "bfloat16", "auto"),
        default="float32",
        help="of a model folder's matmuls; auto: bfloat16 where the hardware multiplies it faster",
    )


def columns(value: str) -> tuple[str, ...]:
    """One column's name on the command line, or two with a comma."""
    names = tuple(name.strip() for name in value.split(","))
    if not all(names) or len(names) > 2:
        raise argparse.ArgumentTypeError(f"{value!r} is not one column, or two with a comma")
    return names


def positive_number(value: str) -> float:
    """A number above 0 on the command line."""
    return number(value, lambda result: 0 < result < math.inf, "a positive number")


def size(value: str) -> float:
    """A number of at least 0 on the command line."""
    return number(value, lambda result: 0 <= result < math.inf, "0 or a positive number")


def share(value: str) -> float:
    """A part of a whole on the command line, from 0 to 1."""
    return number(value, lambda result: 0 <= result <= 1, "a number between 0 and 1")


def number(value: str, accepts: Callable[[float], bool], expected: str) -> float:
    """A number on the command line; `expected` says in words which ones are accepted."""
    try:
        result = float(value)
    except ValueError:
        result = math.nan
    if not accepts(result):
        raise argparse.ArgumentTypeError(f"{value!r} is not {expected}")
    return result


def whole_number(value: str, accepts: Callable[[int], bool], expected: str) -> int:
    """The same for a whole number."""
    return int(number(value, lambda result: result.is_integer() and accepts(int(result)), expected))


def _at_least(value: str, least: int) -> int:
    return whole_number(
        value, lambda result: result >= least, f"a whole number of at least {least}"
    )


def folder(name: str) -> Path:
    """A folder's name on the command line; an empty one is an unset variable, not this folder."""
    if not name:
        raise argparse.ArgumentTypeError("the name is empty; give a folder")
    if is_url(name):
        raise argparse.ArgumentTypeError(
            f"{name} is not a local folder; give one (gcloud storage cp copies buckets)"
        )
    return Path(name)


def folder_or_url(name: str) -> str | Path:
    """A folder's name, or the URL of one in a bucket."""
    return name if is_url(name) else folder(name)


def run(command: Callable[[list[str]], None], arguments: list[str] | None = None) -> Never:
    """Run a command on the command line's arguments and exit with the documented statuses.

    Without `arguments` this process is the command's alone.

    A `UserError`, or the operating system's refusal of a file, becomes exactly one line on standard
    error; anything else is a bug and keeps its traceback.
    """
    environment.set_default("TOKENIZERS_PARALLELISM", "true")
    if arguments is None:
        _do_without_pytorch()
        do_without_absent_gpus()
    _keep_standard_error_for_errors()
    try:
        command(sys.argv[1:] if arguments is None else arguments)
    except SystemExit:
        raise
    except BaseException as error:
        sys.exit(report(error))
    sys.exit(0)


def _say_unless_the_disk_is_full(ended: threading.ExceptHookArgs) -> None:
    error = ended.exc_value
    if not (isinstance(error, OSError) and error.errno in FULL):
        threading.__excepthook__(ended)


def _do_without_pytorch() -> None:
    """For this program PyTorch is not installed.

    No program here uses it, and where it is installed transformers and tensorboardX load it: for
    seconds of every start, and hundreds of megabytes.
    """

    class OtherPackages(PathFinder):
        @classmethod
        def find_spec(
            cls, fullname: str, path: Any = None, target: ModuleType | None = None
        ) -> ModuleSpec | None:
            return None if fullname == "torch" else super().find_spec(fullname, path, target)

    sys.meta_path[:] = [
        OtherPackages if finder is PathFinder else finder for finder in sys.meta_path
    ]


def do_without_absent_gpus() -> None:
    """On a machine without an NVIDIA GPU XLA's plugin for them is not started, if it is installed.

    The extra gpu-plan brings it for its compiler (planning.gpu_compiler). Its start would look for
    CUDA, in vain, and say so on standard error. To be called before JAX is imported.
    """
    if any(map(os.path.exists, NVIDIA_DEVICES)):
        return
    for cuda in ("12", "13"):
        name = f"jax_plugins.xla_cuda{cuda}"
        sys.modules.setdefault(name, _PluginWithoutDevice(name))
        # No module: JAX takes these kernels for not installed.
        sys.modules.setdefault(f"jax_cuda{cuda}_plugin", None)  # type: ignore[arg-type]


class _PluginWithoutDevice(ModuleType):
    """What JAX starts instead."""

    def initialize(self) -> None:
        """There is nothing to register."""


def _keep_standard_error_for_errors() -> None:
    """Silence the libraries' warnings and logs; `python -W default -m ...` lets them speak.

    So too what is raised where nobody can catch it: TensorStore's callbacks after a full disk, and
    TensorBoard's thread, which the log says is gone.
    """
    if sys.warnoptions:
        return
    sys.unraisablehook = lambda _: None
    threading.excepthook = _say_unless_the_disk_is_full
    warnings.simplefilter("ignore")
    logging.disable()
    environment.set_default("TF_CPP_MIN_LOG_LEVEL", "3")  # of XLA's C++: fatal errors alone
