"""Store a teacher's outputs for the rows of a config, once, for runs with `config.targets`."""

import argparse

from distil_jax import commandline, huge_pages

BESIDES = "are stored besides what the config's objectives need"


def main(arguments: list[str]) -> None:
    """Parse the flags and store."""
    flags, overrides = parser().parse_with_keys(arguments)
    from distil_jax.configuration import source as config_source

    config = config_source.read(flags.config, overrides)

    # JAX starts only once the command line is right.
    from distil_jax.run.compilation import keep_compiled
    from distil_jax.run.target_cache import CacheSettings, cache
    from distil_jax.target_store import Share
    from distil_jax.training.stopping import Sigterm

    share = Share(flags.shard_index, flags.shard_count)
    keep_compiled()
    settings = CacheSettings(
        flags.epochs, flags.top_k, flags.dtype, share, flags.layers, flags.attention_layers
    )
    with Sigterm():
        cache(config, flags.output, settings, lambda line: print(line, flush=True))


def parser() -> commandline.Parser:
    """The flags."""
    parser = commandline.Parser(prog="python -m distil_jax.cache", description=__doc__)
    add = parser.add_argument
    add("--config", required=True, help="a config file, or the name of a shipped one")
    add("--output", required=True, type=commandline.folder_or_url, help="folder of the targets")
    add(
        "--epochs",
        type=commandline.natural,
        default=0,
        help="whose masks are drawn; 0: as many as the config's run has",
    )
    add(
        "--top_k",
        type=commandline.natural,
        default=0,
        help="tokens of a distribution; 0: config.loss.options.soft_target.top_k, else 64, or all "
        "of a vocabulary of at most 1,024",
    )
    add(
        "--dtype", choices=("float16", "bfloat16", "float32"), default="float16", help="on the disk"
    )
    add("--layers", type=_layers, default=(), help=f"whose hidden states {BESIDES}: 0,2,4, or all")
    add(
        "--attention_layers",
        type=_layers,
        default=(),
        help=f"whose queries, keys and values {BESIDES}: 3,6, or all",
    )
    add("--shard_index", type=commandline.natural, default=0, help="which share, from 0")
    add("--shard_count", type=commandline.positive, default=1, help="processes that share the work")
    return parser


def _layers(value: str) -> tuple[int, ...] | str:
    if value == "all":
        return value
    parts = [part.strip() for part in value.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"{value!r} is no list of layers such as 0,2,4, nor all")
    return tuple(map(int, parts))


if __name__ == "__main__":
    huge_pages.prefer()
    commandline.run(main)
