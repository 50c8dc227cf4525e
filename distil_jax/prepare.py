"""Prepare a corpus for training: tokenise, pack, split off the held-out share, write to disk."""

import argparse

from distil_jax import commandline
from distil_jax.errors import UsageError


def main(arguments: list[str]) -> None:
    """Parse the flags and prepare."""
    flags = parser().parse_args(arguments)
    _check_engine(flags)
    from distil_jax import tokenizer
    from distil_jax.data import cluster
    from distil_jax.data.preparation import PrepareSettings, prepare
    from distil_jax.training.stopping import Sigterm

    on_cluster = flags.engine == "ray"
    settings = PrepareSettings(
        document=flags.document,
        column=flags.column,
        heldout=flags.heldout,
        length=flags.length,
        shard_index=0 if on_cluster else flags.shard_index,
        shard_count=1 if on_cluster else flags.shard_count or 1,
        shortest_tokens=flags.shortest_tokens,
        unknown_share=flags.unknown_share,
    )
    engine = cluster.engine(flags.address, shares=flags.shard_count or 0) if on_cluster else None
    with Sigterm():
        prepare(flags.input, flags.output, tokenizer.load(flags.tokenizer), settings, engine=engine)


def _check_engine(flags: argparse.Namespace) -> None:
    if flags.engine == "ray" and flags.shard_index:
        raise UsageError("--engine=ray makes all shares; leave --shard_index out (see --help)")
    if flags.engine == "here" and flags.address:
        raise UsageError("--address goes with --engine=ray (see --help)")


def parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = commandline.Parser(prog="python -m distil_jax.prepare", description=__doc__)
    add = parser.add_argument
    inputs = "text files, .jsonl (both also compressed), .parquet, folders, globs, a data set id"
    add("--input", action="append", required=True, help=f"{inputs}, builtin:docs; repeatable")
    add(
        "--output",
        type=commandline.folder_or_url,
        required=True,
        help="folder of the prepared rows",
    )
    add(
        "--tokenizer",
        required=True,
        help="folder, hub id or URL with a fast tokenizer, or builtin:teacher",
    )
    document = "in text files a document is a line, or a block of lines up to a blank one"
    add("--document", default="line", choices=("line", "block"), help=document)
    add("--column", default="text", help="text column of records")
    add("--heldout", type=float, default=0.01, help="share of documents held out; 1: all")
    add("--length", type=int, default=512, help="tokens in a row")
    add("--shard_index", type=int, default=0, help="which share of the work, from 0")
    add(
        "--shard_count",
        type=commandline.positive,
        help="processes that share the work; one, or with Ray one for each CPU of the cluster",
    )
    add("--engine", default="here", choices=("here", "ray"), help="ray: actors on a Ray cluster")
    add("--address", default="", help="of the Ray cluster; $RAY_ADDRESS, or this machine's")
    add("--shortest_tokens", type=int, default=12, help="drop sequences shorter than this")
    add("--unknown_share", type=float, default=0.5, help="drop sequences with this share of [UNK]")
    return parser


if __name__ == "__main__":
    commandline.run(main)
