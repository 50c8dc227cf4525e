"""Plan: what a config needs and takes on chips that are not there, as the TPU compiler sees it."""

import argparse
import json

from distil_jax import commandline
from distil_jax.configuration import source as config_source


def main(arguments: list[str]) -> None:
    """Parse the flags, compile the step, and print the tables or JSON."""
    known, overrides = _parser().parse_known_args(arguments)
    if known.teacher is not None:
        overrides.append(f"--config.teacher={known.teacher}")
    config = config_source.read(known.config, overrides)

    from distil_jax.planning import plan_text, topologies
    from distil_jax.planning.pair import pair_of
    from distil_jax.planning.plan import plan
    from distil_jax.planning.work import work_of

    topology = topologies.find(known.topology)
    pair, work = pair_of(config), work_of(config, known.corpus_tokens)
    made = plan(config, pair, topology, work, search=known.search)
    if known.json:
        print(json.dumps(made.as_dict(), indent=2))
    else:
        print("\n".join(plan_text.lines(made, utilisation=known.utilisation)))


def _parser() -> argparse.ArgumentParser:
    parser = commandline.Parser(prog="python -m distil_jax.plan", description=__doc__)
    add = parser.add_argument
    add("--config", required=True, help="a config file, or the name of a shipped one")
    add("--topology", required=True, help="v4-32, v5e-16, v5p-128, v6e-8, 2xv4-32, h100-8, ...")
    add("--teacher", help="a model folder, or a name: bert-base, bert-large, xlm-r-large, xlm-r-xl")
    add(
        "--corpus-tokens",
        type=_amount,
        help="tokens of the training text, where it is not here; 4.2e9, the paper's, unless told",
    )
    add(
        "--utilisation", type=_share, default=0.5, help="of the compute peak; hours are given at it"
    )
    add("--no-search", dest="search", action="store_false", help="compile the config's batch alone")
    add("--json", action="store_true", help="all figures as one JSON object")
    return parser


def _amount(value: str) -> float:
    number = float(value)
    if not 1 <= number < 1e18:
        raise argparse.ArgumentTypeError(f"{value} is not between 1 and 1e18")
    return number


def _share(value: str) -> float:
    number = float(value)
    if not 0 < number <= 1:
        raise argparse.ArgumentTypeError(f"{value} is not above 0 and at most 1")
    return number


if __name__ == "__main__":
    commandline.run(main)
