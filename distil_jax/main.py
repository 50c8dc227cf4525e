"""Distil: `python -m distil_jax.main --config=FILE|NAME --workdir=DIR [--config.KEY=VALUE ...]`."""

import shlex

from distil_jax import commandline, huge_pages
from distil_jax.configuration import source as config_source
from distil_jax.distributed import supervisor as supervisor
from distil_jax.distributed.processes import find_distributed_config


def main(arguments: list[str]) -> None:
    parser = commandline.Parser(prog="python -m distil_jax.main", description=__doc__)
    parser.add_argument(
        "--config", required=True, help="a config file, or the name of a shipped one"
    )
    parser.add_argument(
        "--workdir", required=True, type=commandline.folder_or_url, help="all results go here"
    )
    known, overrides = parser.parse_known_args(arguments)
    config = config_source.read(known.config, overrides)
    command = f"python -m distil_jax.main {shlex.join(arguments)}"
    distributed = find_distributed_config(config.processes)
    if distributed and not supervisor.is_child():
        supervisor.run_supervised("distil_jax.main", arguments, address=distributed.address)

    # JAX starts only once the command line is right.
    from distil_jax.distributed.session import distributed_session
    from distil_jax.run import distillation
    from distil_jax.run.compilation import keep_compiled

    keep_compiled()
    with distributed_session(distributed, config.processes) as at_step:
        distillation.run(config, known.workdir, command, at_step)


if __name__ == "__main__":
    huge_pages.prefer()
    commandline.run(main)
