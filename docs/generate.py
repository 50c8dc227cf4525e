"""The reference pages that come from declarations: `python docs/generate.py` writes them again.

tests/test_documents.py holds the written pages against what this makes of the code.
"""

import argparse
import importlib
from collections.abc import Iterable
from pathlib import Path

from distil_jax import cli, environment
from distil_jax.commandline import default_of
from distil_jax.configuration.declared import declared
from distil_jax.configuration.key import Key
from distil_jax.configuration.objective_table import OBJECTIVES

HERE = Path(__file__).parent / "reference"
NOTE = "<!-- Written by docs/generate.py; change the declarations, then run it again. -->\n\n"


def pages() -> dict[Path, str]:
    """The text of each page by its file."""
    return {
        HERE / "configuration.md": NOTE + configuration(),
        HERE / "commands.md": NOTE + commands(),
        HERE / "environment.md": NOTE + variables(),
    }


def configuration() -> str:
    """Every key of a run, by section."""
    text = (
        "# Keys of the config\n\nEach is set in a config file or with `--config.KEY=VALUE`. A key\n"
        "with a check mark may be changed when a run is resumed. `configs/base.py` declares them.\n"
    )
    sections: dict[str, list[Key]] = {}
    for key in declared():
        sections.setdefault(key.name.rpartition(".")[0] or "run", []).append(key)
    for section, keys in sections.items():
        text += f"\n## {section}\n\n| key | default | | meaning |\n|---|---|---|---|\n"
        text += "".join(map(_key_row, keys))
    text += (
        "\n## Objectives\n\n| `config.loss.NAME` | default weight | what it is |\n|---|---|---|\n"
    )
    for entry in OBJECTIVES.values():
        text += f"| `{entry.name}` | {entry.weight:g} | {_cell(entry.summary)} |\n"
    return text


def _key_row(key: Key) -> str:
    default = '""' if key.default == "" else str(key.default)
    bounds = [f"at least {key.at_least}"] if key.at_least is not None else []
    bounds += [f"at most {key.at_most}"] if key.at_most is not None else []
    bounds += [f"above {key.above}"] if key.above is not None else []
    bounds += [f"one of {', '.join(key.choices)}"] if key.choices else []
    bounds += [f"earlier name: {key.was}"] if key.was else []
    doc = key.doc + (f" ({'; '.join(bounds)})" if bounds else "")
    return f"| `{key.name}` | `{default}` | {'✓' if key.free else ''} | {_cell(doc)} |\n"


def commands() -> str:
    """Every command's flags."""
    text = (
        "# Commands\n\n`distil-jax NAME` and `python -m distil_jax.MODULE` are the same.\n"
        "`distil-jax completion bash` prints a script that completes them.\n"
    )
    for title, group in cli.GROUPS.items():
        text += (
            f"\n## To {title}\n"
            if not title.startswith("before")
            else f"\n## {title.capitalize()}\n"
        )
        for name, command in group.items():
            module = importlib.import_module(f"distil_jax.{command.module}")
            text += f"\n### {name}\n\n{_cell(module.__doc__ or '')}\n\n"
            text += f"`python -m distil_jax.{command.module}`"
            text += (
                ", and `--config.KEY=VALUE` for each [key](configuration.md)"
                if command.keys
                else ""
            )
            text += "\n\n| flag | default | meaning |\n|---|---|---|\n"
            text += "".join(_flag_rows(module.parser()))
    return text


def _flag_rows(parser: argparse.ArgumentParser) -> Iterable[str]:
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction) or action.help == argparse.SUPPRESS:
            continue
        name = action.option_strings[-1] if action.option_strings else action.dest
        default = default_of(action)
        shown = "required" if action.required else f"`{default}`" if default else ""
        meaning = " ".join((action.help or "").replace("%%", "%").split())
        if action.choices:
            meaning += f" ({', '.join(map(str, action.choices))})"
        yield f"| `{name}` | {shown} | {_cell(meaning)} |\n"


def variables() -> str:
    """The environment variables that the package reads."""
    rows = "".join(f"| `{v.name}` | {_cell(v.meaning)} |\n" for v in environment.VARIABLES)
    return f"# Environment variables\n\n| variable | meaning |\n|---|---|\n{rows}"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def main() -> None:
    """Write the pages."""
    HERE.mkdir(exist_ok=True)
    for path, text in pages().items():
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
