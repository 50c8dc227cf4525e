"""Doctor: what is installed, found and reachable here, and the memory that a config needs."""

from distil_jax import commandline


def main(arguments: list[str]) -> None:
    """Parse the flags, look, and print a line for each thing."""
    flags, overrides = parser().parse_with_keys(arguments)
    from distil_jax.configuration import source as config_source
    from distil_jax.profiling import machine

    config = config_source.read(flags.config, overrides)
    for title, lines in machine.look(config, flags.config, online=not flags.offline):
        print(f"\n{title}")
        print("\n".join(f"  {line}" for line in lines), flush=True)


def parser() -> commandline.Parser:
    """The flags."""
    parser = commandline.Parser(prog="python -m distil_jax.doctor", description=__doc__)
    add = parser.add_argument
    add("--config", default="quickstart", help="the run whose memory is worked out")
    add("--offline", action="store_true", help="ask no other host")
    return parser


if __name__ == "__main__":
    commandline.run(main)
