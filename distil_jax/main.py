"""Distil, or pretrain: one run, from its config to the student's folder; rerun, it resumes."""

from distil_jax import commandline, huge_pages


def main(arguments: list[str]) -> None:
    """Parse the flags and run."""
    asked = commandline.asks_for_help(arguments)
    known, overrides = parser(keys=asked).parse_with_keys(arguments)
    from distil_jax.configuration import source as config_source
    from distil_jax.distributed import supervisor
    from distil_jax.distributed.processes import find_distributed_config

    config = config_source.read(known.config, overrides)
    command = commandline.typed("main", arguments)
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


def parser(*, keys: bool = False) -> commandline.Parser:
    """The flags, with the config's keys for a page of help."""
    parser = commandline.Parser(
        prog="python -m distil_jax.main",
        usage="%(prog)s --config=FILE|NAME --workdir=DIR [--config.KEY=VALUE ...]",
        description=__doc__,
    )
    add = parser.add_argument
    add("--config", required=True, help="a config file, or the name of a shipped one")
    add("--workdir", required=True, type=commandline.folder_or_url, help="all results go here")
    if keys:
        from distil_jax.configuration.flags import add_keys

        add_keys(parser)
    return parser


if __name__ == "__main__":
    huge_pages.prefer()
    commandline.run(main)
