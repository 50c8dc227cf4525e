"""Distil a teacher: `python -m distil_jax.main --config=FILE|NAME --workdir=DIR [--config.KEY=VALUE]`."""

from pathlib import Path

from distil_jax import commandline
from distil_jax.run import config_source


def main(arguments: list[str]) -> None:
    parser = commandline.Parser(prog="python -m distil_jax.main", description=__doc__)
    parser.add_argument("--config", required=True, help="a config file, or the name of a shipped one")
    parser.add_argument("--workdir", required=True, type=Path, help="all results go here")
    known, overrides = parser.parse_known_args(arguments)
    config = config_source.read(known.config, overrides)
    command = " ".join(["python -m distil_jax.main", *arguments])

    from distil_jax.run import distillation  # jax starts only once the command line is right

    distillation.run(config, known.workdir, command)


if __name__ == "__main__":
    commandline.run(main)
