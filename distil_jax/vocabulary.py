"""Train a WordPiece tokenizer on the training share of a corpus, in BERT's folder format."""

import argparse

from distil_jax import commandline


def main(arguments: list[str]) -> None:
    """Parse the flags and train."""
    flags = parser().parse_args(arguments)
    from distil_jax.data import tokenizer_training

    tokenizer_training.train(
        flags.input,
        flags.output,
        size=flags.size,
        document=flags.document,
        column=flags.column,
        heldout=flags.heldout,
        lowercase=flags.lowercase,
    )


def parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = commandline.Parser(prog="python -m distil_jax.vocabulary", description=__doc__)
    add = parser.add_argument
    inputs = "text files, .jsonl, .parquet, folders, globs, a data set id or builtin:docs"
    add("--input", action="append", required=True, help=f"{inputs}; comma-separated or repeated")
    add("--output", type=commandline.folder, required=True, help="folder of the new tokenizer")
    add("--size", type=int, default=8192, help="word pieces, special tokens included")
    add("--document", default="line", choices=("line", "block"), help="what is held out as one")
    add("--column", default="text", help="text column of records")
    add("--heldout", type=float, default=0.01, help="share of documents never trained on")
    case = "text is lower-cased, which is the default, or kept as it is"
    add("--lowercase", action=argparse.BooleanOptionalAction, default=True, help=case)
    return parser


if __name__ == "__main__":
    commandline.run(main)
