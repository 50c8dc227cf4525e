"""Report: one page of one or several runs, with the scores and speeds measured of their models."""

import argparse
from datetime import datetime

from distil_jax import commandline
from distil_jax.report import page, write
from distil_jax.report.report_data import gather
from distil_jax.storage import atomic
from distil_jax.storage.atomic import writing


def main(arguments: list[str]) -> None:
    """Parse the flags, read everything, and only then write."""
    flags = parser().parse_args(arguments)
    data = gather(flags.run, flags.scores, flags.speed, flags.ablations)
    document = page.document(data, when=datetime.now().strftime("%Y-%m-%d"))
    files = write.files(document)
    with writing(flags.output):
        (flags.output / write.FIGURES).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            atomic.write_bytes(flags.output / name, content)
    print(f"report: {flags.output / write.HTML}")


def parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = commandline.Parser(prog="python -m distil_jax.compare", description=__doc__)

    def folders(name: str, description: str) -> None:
        parser.add_argument(
            name,
            action="append",
            default=[],
            type=commandline.folder,
            metavar="DIR",
            help=description,
        )

    folders("--run", "the workdir of a run; may be repeated")
    folders("--scores", "the --output of evaluate, or a folder of such; may be repeated")
    folders("--speed", "the --output of benchmark; may be repeated")
    folders("--ablations", "the --output of ablate; may be repeated")
    parser.add_argument(
        "--output", required=True, type=commandline.folder, help="report.html, report.md, figures"
    )
    return parser


if __name__ == "__main__":
    commandline.run(main)
