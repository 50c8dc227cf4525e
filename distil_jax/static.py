"""A static student of any teacher: one vector for each token, whose mean is a text's."""

import argparse
import math

from distil_jax import commandline, huge_pages


def main(arguments: list[str]) -> None:
    """Parse the flags and make the student."""
    flags = parser().parse_args(arguments)
    from distil_jax.run.compilation import keep_compiled

    keep_compiled()
    from distil_jax.run.static_student import make

    model = make(
        flags.teacher,
        flags.output,
        commandline.typed("static", arguments),
        dimensions=flags.dimensions,
        sif=flags.sif,
        data=flags.data,
        column=flags.column,
    )
    tokens, width = model.table.shape
    print(f"{tokens:,} tokens, vectors of {width} numbers: {flags.output}")


def parser() -> argparse.ArgumentParser:
    parser = commandline.Parser(prog="python -m distil_jax.static", description=__doc__)
    add = parser.add_argument
    add("--teacher", required=True, help="sentence-transformers folder, encoder folder or hub id")
    add(
        "--output",
        required=True,
        type=commandline.folder,
        help="folder that sentence-transformers and model2vec open",
    )
    add(
        "--dimensions",
        type=commandline.natural,
        default=256,
        help="of the vectors, by PCA; 0: as many as the teacher's",
    )
    add(
        "--sif",
        type=_size,
        default=1e-4,
        help="a token of probability p weighs SIF / (SIF + p); 0: all weigh the same",
    )
    add(
        "--data",
        default="",
        help="text to count the tokens of, as prepare reads it; without any their order counts",
    )
    add("--column", default="text", help="text column of records")
    return parser


def _size(value: str) -> float:
    number = float(value)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{value} is not 0 or a positive number")
    return number


if __name__ == "__main__":
    huge_pages.prefer()
    commandline.run(main)
