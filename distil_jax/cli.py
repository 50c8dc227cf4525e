"""distil-jax: all commands under one name.

Each is a module too: `distil-jax evaluate` is `python -m distil_jax.evaluate`.
"""

import argparse
import difflib
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from distil_jax import __version__, commandline, huge_pages
from distil_jax.errors import UsageError

SHELLS = ("bash", "zsh", "tcsh")
OF_FOLDERS = ("workdir", "output", "model", "teacher", "student", "export", "run", "data")
OF_FILES = ("config", "input", "train", "validation", "test", "calibration")


@dataclass(frozen=True)
class Command:
    """A command of `distil-jax`.

    Attributes:
      module: `python -m distil_jax.MODULE`.
      summary: what it is for, in a line.
      trains: whether it computes long enough for huge pages to pay.
      keys: whether it takes the keys of a config.
    """

    module: str
    summary: str
    trains: bool = False
    keys: bool = False


GROUPS: Mapping[str, Mapping[str, Command]] = {
    "make a student": {
        "train": Command("main", "distil a teacher into a student, or pretrain", True, True),
        "prepare": Command("prepare", "turn text into packed rows of tokens, once"),
        "cache": Command("cache", "store a teacher's outputs once, for many runs", True, True),
        "static": Command("static", "one vector a token from a teacher of sentence vectors"),
        "vocabulary": Command("vocabulary", "train a WordPiece tokenizer on a corpus"),
        "prune_vocabulary": Command("prune_vocabulary", "cut a model's vocabulary to a corpus"),
    },
    "see what it keeps": {
        "evaluate": Command("evaluate", "fine-tune and score a model on a task", True),
        "benchmark": Command("benchmark", "time training, and student beside teacher", True, True),
        "ablate": Command("ablate", "runs without each loss, and of other layers", True, True),
        "compare": Command("compare", "one page of several runs and what was measured of them"),
    },
    "use it": {
        "fill_mask": Command("fill_mask", "fill the masks of a text"),
        "predict": Command("predict", "label your own text with a fine-tuned model", True),
        "embed": Command("embed", "vectors of your own text by a sentence-embedding model"),
        "export": Command("export", "a checkpoint as a folder; a model as ONNX or StableHLO"),
        "demo": Command("demo", "fill masks in a browser with an exported model"),
    },
    "before you start": {
        "plan": Command("plan", "memory, traffic and hours on chips that are not here", keys=True),
        "doctor": Command("doctor", "what is installed and reachable, and what a run needs here"),
    },
}
COMMANDS = {name: command for group in GROUPS.values() for name, command in group.items()}


def main(arguments: list[str]) -> None:
    """Run a command, or list them all."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(overview())
    elif arguments[0] == "--version":
        print(__version__)
    elif arguments[0] == "completion":
        print(completion(arguments[1:]))
    else:
        _run(_known(arguments[0]), arguments[1:])


def overview() -> str:
    """The commands by what people want to do."""
    width = max(map(len, COMMANDS))
    lines = ["usage: distil-jax COMMAND ...   (distil-jax COMMAND --help: its flags)"]
    for title, commands in GROUPS.items():
        lines += ["", f"{title}:"]
        lines += [f"  {name:<{width}}  {command.summary}" for name, command in commands.items()]
    further = f"distil-jax completion {'|'.join(SHELLS)} prints a completion script"
    return "\n".join([*lines, "", further])


def completion(arguments: Sequence[str]) -> str:
    """A shell's script, which completes commands, flags and keys without starting Python."""
    import shtab

    parser = commandline.Parser(prog="distil-jax completion")
    parser.add_argument("shell", choices=SHELLS)
    return shtab.complete(_all_commands(), parser.parse_args(arguments).shell)


def _all_commands() -> argparse.ArgumentParser:
    from distil_jax.configuration.flags import add_keys

    root = commandline.Parser(prog="distil-jax", description="Distil encoders in JAX.")
    commands = root.add_subparsers()
    for name, command in COMMANDS.items():
        parser = importlib.import_module(f"distil_jax.{command.module}").parser()
        if command.keys:
            add_keys(parser)
        _complete_paths(parser)
        commands.add_parser(name, parents=[parser], add_help=False, help=command.summary)
    completed = commands.add_parser("completion", help="print a completion script")
    completed.add_argument("shell", choices=SHELLS)
    return root


def _complete_paths(parser: argparse.ArgumentParser) -> None:
    import shtab

    kinds = dict.fromkeys(OF_FOLDERS, shtab.DIRECTORY) | dict.fromkeys(OF_FILES, shtab.FILE)
    for action in parser._actions:
        if action.dest in kinds and not action.choices:
            action.complete = kinds[action.dest]  # type: ignore[attr-defined]


def _known(name: str) -> Command:
    given, name = name, name.replace("-", "_")
    if name in COMMANDS:
        return COMMANDS[name]
    modules = {command.module: command for command in COMMANDS.values()}
    if name in modules:
        return modules[name]
    nearest = difflib.get_close_matches(name, COMMANDS, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else "distil-jax --help lists them"
    raise UsageError(f"{given!r} is not a command; {hint}")


def _run(command: Command, arguments: list[str]) -> None:
    if command.trains and not commandline.asks_for_help(arguments):
        huge_pages.prefer()
    importlib.import_module(f"distil_jax.{command.module}").main(arguments)


def program() -> None:
    """The entry point of the script `distil-jax`."""
    commandline.run(main)


if __name__ == "__main__":
    program()
