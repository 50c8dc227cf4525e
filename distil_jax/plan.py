"""Plan: what a config needs and takes on chips that are not there, as their compilers see it."""

import json
import sys

from distil_jax import commandline


def main(arguments: list[str]) -> None:
    """Parse the flags, compile the step, and print the tables or JSON."""
    flags, overrides = parser().parse_with_keys(arguments)
    from distil_jax.configuration import source as config_source

    if flags.teacher is not None:
        overrides.append(f"--config.teacher={flags.teacher}")
    notes = sys.stderr if flags.json else None
    config = config_source.read(flags.config, overrides, notes=notes)

    from distil_jax.planning import plan_text, topologies
    from distil_jax.planning.model_shapes import model_shapes
    from distil_jax.planning.run_plan import plan_run, workload_of
    from distil_jax.run.stored_targets import planned
    from distil_jax.training.precision import settled

    topology = topologies.find(flags.topology)
    config = settled(config, "tpu" if topology.chip.is_tpu else "gpu")
    models, workload = model_shapes(config), workload_of(config, flags.corpus_tokens)
    config = planned(config, models.student)
    plan = plan_run(
        config, models, topology, workload, search=flags.search, compiled=flags.compiled
    )
    if flags.json:
        print(json.dumps(plan.as_dict(), indent=2))
    else:
        print("\n".join(plan_text.lines(plan, utilisation=flags.utilisation)))


def parser() -> commandline.Parser:
    """The flags."""
    parser = commandline.Parser(prog="python -m distil_jax.plan", description=__doc__)
    add = parser.add_argument
    add("--config", required=True, help="a config file, or the name of a shipped one")
    add(
        "--topology",
        required=True,
        help="v4-32, v5e-16, v6e-8, 2xv4-32, h100-8, 2xh100-8, l4-1, ...",
    )
    names = "bert-base, xlm-r-xl, mpnet-base, deberta-v3-base, modernbert-base, gpt2, ..."
    add("--teacher", help=f"a model folder, or a usual name: {names}")
    add(
        "--corpus-tokens",
        type=_amount,
        help="tokens of the training text, where it is not here (default: 4.2e9, the paper's)",
    )
    add(
        "--utilisation", type=_share, default=0.5, help="of the compute peak; hours are given at it"
    )
    add("--no-search", dest="search", action="store_false", help="compile the config's batch alone")
    add(
        "--no-compile",
        dest="compiled",
        action="store_false",
        help="count from shapes, in seconds; the traffic is not known then",
    )
    add("--json", action="store_true", help="all figures as one JSON object")
    return parser


def _amount(value: str) -> float:
    return commandline.number(
        value, lambda result: 1 <= result < 1e18, "a number between 1 and 1e18"
    )


def _share(value: str) -> float:
    return commandline.number(
        value, lambda result: 0 < result <= 1, "a number above 0 and at most 1"
    )


if __name__ == "__main__":
    commandline.run(main)
