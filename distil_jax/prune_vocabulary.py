"""Cut a model's vocabulary to the most frequent tokens of a corpus, without training."""

import argparse
from pathlib import Path

from distil_jax import commandline


def main(arguments: list[str]) -> None:
    """Parse the flags, write the smaller model, and print what it saves and what it loses."""
    flags = parser().parse_args(arguments)
    command = commandline.typed("prune_vocabulary", arguments)
    from distil_jax.run import vocabulary_pruning

    corpus = vocabulary_pruning.Corpus(flags.input, flags.document, flags.column, flags.heldout)
    pruned = vocabulary_pruning.prune_vocabulary(
        flags.model, corpus, flags.output, vocabulary=flags.size or flags.keep, command=command
    )
    print("\n".join(pruned.lines()))


def parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = commandline.Parser(prog="python -m distil_jax.prune_vocabulary", description=__doc__)
    add = parser.add_argument
    inputs = "text files, .jsonl, .parquet, folders, globs, a data set id or builtin:docs"
    add("--model", required=True, help="model folder, hub id or builtin:teacher")
    add("--input", action="append", required=True, help=f"{inputs}; comma-separated or repeated")
    add("--output", type=commandline.folder, required=True, help="folder of the smaller model")
    size = parser.add_mutually_exclusive_group(required=True)
    size.add_argument("--size", type=commandline.positive, help="tokens to keep, special ones too")
    size.add_argument("--keep", type=Path, help="a file of the tokens to keep, one a line")
    add("--document", default="line", choices=("line", "block"), help="what is held out as one")
    add("--column", default="text", help="text column of records")
    add("--heldout", type=float, default=0.01, help="share of documents that are not counted")
    return parser


if __name__ == "__main__":
    commandline.run(main)
