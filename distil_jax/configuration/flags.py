"""Keys as flags: of a whole run for help and completion (`source` reads them), of an objective."""

import argparse
from typing import Any

from distil_jax.configuration.declared import declared
from distil_jax.configuration.key import Key, checked
from distil_jax.configuration.objective_table import OBJECTIVES


def add_keys(parser: argparse.ArgumentParser) -> None:
    """Add `--config.KEY=VALUE` for each key, with its meaning and its default."""
    group = parser.add_argument_group(
        "keys of the config", "each with its default; a config file sets others"
    )
    for key in declared():
        group.add_argument(
            f"--config.{key.name}",
            choices=key.choices or None,
            metavar=None if key.choices else key.type.__name__.upper(),
            help=f"{key.doc} Default: {_shown(key)}".replace("%", "%%"),
        )


def _shown(key: Key) -> str:
    return '""' if key.default == "" else str(key.default)


def objective_option(value: str) -> tuple[str, str, Any]:
    """NAME.KEY=VALUE on the command line, checked as `config.loss.options` is."""
    name, _, rest = value.partition(".")
    key, equals, text = rest.partition("=")
    options = {each.name: each for each in OBJECTIVES[name].options} if name in OBJECTIVES else {}
    if not equals or key not in options:
        known = ", ".join(f"{name}.{each}" for each in options) or ", ".join(OBJECTIVES)
        raise argparse.ArgumentTypeError(f"{value!r} is not NAME.KEY=VALUE; there are {known}")
    kind = options[key].type
    try:
        parsed = text.lower() in ("true", "1") if kind is bool else kind(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{value!r} must be of type {kind.__name__}") from error
    return name, key, checked(options[key], parsed)


class ObjectiveOptions(argparse.Action):
    """Collects options by objective and key."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        name, key, value = values
        found = {each: dict(of) for each, of in getattr(namespace, self.dest).items()}
        found.setdefault(name, {})[key] = value
        setattr(namespace, self.dest, found)


def candidate_labels(value: str) -> dict[str, str]:
    """NAME[=WORDS],...: words by label, empty where the name itself is meant."""
    pairs = [pair.partition("=") for pair in value.split(",")]
    found = {name.strip(): words.strip() for name, _, words in pairs}
    if len(found) < 2 or len(found) < len(pairs) or not all(found):
        raise argparse.ArgumentTypeError(
            f"{value!r} is not two or more different labels, NAME or NAME=WORDS, after commas"
        )
    return found


def hypothesis_template(value: str) -> str:
    """A sentence with one place for a label's words, or nothing."""
    if value and value.count("{}") != 1:
        raise argparse.ArgumentTypeError(f"{value!r} needs one {{}}, where the label's words go")
    return value
