"""Label your own text with a fine-tuned model folder: classes, values, or answers to questions."""

import argparse

from distil_jax import commandline, huge_pages


def main(arguments: list[str]) -> None:
    """Parse the flags and label."""
    flags = parser().parse_args(arguments)
    from distil_jax.run.compilation import keep_compiled

    keep_compiled()
    from distil_jax.evaluation.predict_file import predict_file
    from distil_jax.training.precision import computing_dtype

    count = predict_file(
        flags.model,
        flags.input,
        flags.output,
        columns=flags.columns,
        length=flags.length,
        dtype=computing_dtype(flags.dtype),
    )
    if flags.output is not None:
        print(f"{count:,} rows labelled: {flags.output}")


def parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = commandline.Parser(prog="python -m distil_jax.predict", description=__doc__)
    add = parser.add_argument
    add("--model", required=True, help="fine-tuned model folder or hub id")
    kinds = ".txt (a text a line), .jsonl, .json, .csv, .tsv, .parquet, compressed or not"
    add("--input", required=True, help=f"{kinds}; - is standard input, a text a line")
    add("--output", type=commandline.folder, help=".jsonl or .csv; standard output if left out")
    add(
        "--columns",
        type=commandline.columns,
        default=(),
        help="column of the text, or the pair's: a,b",
    )
    add(
        "--length",
        type=commandline.length,
        help="most tokens of a sequence or window; longer ones are cut",
    )
    commandline.add_dtype(parser)
    return parser


if __name__ == "__main__":
    huge_pages.prefer()
    commandline.run(main)
