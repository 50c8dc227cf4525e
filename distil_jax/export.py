"""Save a checkpoint as a model folder: `python -m distil_jax.export --workdir=DIR --output=DIR`."""

from distil_jax import commandline


def main(arguments: list[str]) -> None:
    parser = commandline.Parser(prog="python -m distil_jax.export", description=__doc__)
    parser.add_argument(
        "--workdir", required=True, type=commandline.folder, help="of a run of distil_jax.main"
    )
    parser.add_argument("--step", type=int, help="of a kept checkpoint; the latest if left out")
    parser.add_argument(
        "--output", required=True, type=commandline.folder, help="the model folder to write"
    )
    parser.add_argument("--dtype", choices=("float32", "float16"), default="float32")
    known = parser.parse_args(arguments)

    from distil_jax.run.export_checkpoint import export_checkpoint

    command = " ".join(["python -m distil_jax.export", *arguments])
    step = export_checkpoint(known.workdir, known.output, known.step, command, dtype=known.dtype)
    print(f"step {step} of {known.workdir} is saved in {known.output}")


if __name__ == "__main__":
    commandline.run(main)
