"""Sweep: each loss removed, random initialisation (the paper's Table 4), and choices of layers."""

from distil_jax import commandline, huge_pages


def main(arguments: list[str]) -> None:
    """Parse the flags and run what is missing of the sweep."""
    flags, overrides = parser().parse_with_keys(arguments)
    from distil_jax.configuration import source as config_source

    config = config_source.read(flags.config, overrides)
    command = commandline.typed("ablate", arguments)

    # JAX starts only once the command line is right.
    from distil_jax.run.compilation import keep_compiled
    from distil_jax.run.sweep import sweep

    keep_compiled()
    sweep(config, flags.output, seeds=flags.seeds, layers=flags.layers, command=command)


def parser() -> commandline.Parser:
    """The flags."""
    parser = commandline.Parser(prog="python -m distil_jax.ablate", description=__doc__)
    add = parser.add_argument
    add("--config", required=True, help="the run that is varied: a config file or a shipped name")
    add("--output", required=True, type=commandline.folder, help="runs, table and figure go here")
    add("--seeds", type=commandline.positive, default=3, help="runs of each variant")
    add(
        "--layers",
        action="append",
        metavar="RULE",
        help="a choice of teacher layers to compare, like config.student.layers; may be repeated "
        "(default: first, last and evenly spaced)",
    )
    return parser


if __name__ == "__main__":
    huge_pages.prefer()
    commandline.run(main)
