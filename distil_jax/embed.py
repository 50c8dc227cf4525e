"""Vectors of your own text by a sentence-embedding model, in a file."""

import argparse
import time

from distil_jax import commandline, huge_pages


def main(arguments: list[str]) -> None:
    """Parse the flags and embed."""
    flags = parser().parse_args(arguments)
    from distil_jax.run.compilation import keep_compiled

    keep_compiled()
    from distil_jax.embedding.files import embed_file
    from distil_jax.embedding.truncation import truncated
    from distil_jax.exporting.onnx_embedder import open_any_embedder
    from distil_jax.training.precision import computing_dtype

    dtype = computing_dtype(flags.dtype)
    start = time.monotonic()
    vectors = embed_file(
        lambda: truncated(open_any_embedder(flags.model, dtype), flags.dimensions, flags.model),
        flags.input,
        flags.output,
        column=flags.column,
        prompt=flags.prompt,
    )
    seconds = time.monotonic() - start
    count, width = vectors.shape
    print(f"{count:,} vectors of {width} numbers in {seconds:.1f} s: {flags.output}")


def parser() -> argparse.ArgumentParser:
    parser = commandline.Parser(prog="python -m distil_jax.embed", description=__doc__)
    add = parser.add_argument
    models = "sentence-transformers, model2vec, encoder or ONNX folder, or hub id"
    add("--model", required=True, help=models)
    kinds = ".txt (a text a line), .jsonl, .json, .csv, .tsv, .parquet, compressed or not"
    add("--input", required=True, help=f"{kinds}; - is standard input, a text a line")
    add(
        "--output",
        required=True,
        type=commandline.folder,
        help=".npy (float32 [texts, width]), .parquet or .jsonl (text and vector)",
    )
    add("--column", default="", help="column of the text; guessed if left out")
    add("--prompt", help="name of a prompt of the model; empty: none; its default if left out")
    commandline.add_dtype(parser)
    add(
        "--dimensions",
        type=commandline.natural,
        default=0,
        help="first numbers of each vector that are kept, made of length 1 again; 0: all",
    )
    return parser


if __name__ == "__main__":
    huge_pages.prefer()
    commandline.run(main)
