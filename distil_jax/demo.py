"""Serve a page that runs exported ONNX models in the browser, on what its visitor types."""

import argparse

from distil_jax import commandline
from distil_jax.errors import UserError


def main(arguments: list[str]) -> None:
    """Parse the flags and serve until interrupted."""
    flags = parser().parse_args(arguments)
    from distil_jax.exporting import server as serving
    from distil_jax.exporting.onnx_fill import mask_filler
    from distil_jax.exporting.onnx_folder import open_onnx
    from distil_jax.exporting.page_models import about

    models = [open_onnx(name) for name in flags.model]
    description = about(models, flags.teacher)
    teacher = mask_filler(flags.teacher, count=5) if flags.teacher else None
    files = serving.page_files(models)
    try:
        server = serving.PageServer(files, description, teacher, host=flags.host, port=flags.port)
    except OSError as error:
        raise UserError(
            f"{flags.host}:{flags.port} cannot be served ({error.strerror}); choose another "
            "--port, or a --host that is an address of this machine"
        ) from error
    with server:
        print(f"http://{flags.host}:{server.server_address[1]}/ (Ctrl+C ends)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


def parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = commandline.Parser(prog="python -m distil_jax.demo", description=__doc__)
    add = parser.add_argument
    add(
        "--model",
        required=True,
        action="append",
        help="ONNX folder, best --quantize=int8; repeatable: a masked LM, a classifier of texts, "
        "one of tokens, and one that makes vectors, for search",
    )
    add(
        "--teacher",
        default="",
        help="model folder, ONNX folder or builtin:teacher beside a masked LM",
    )
    add("--host", default="127.0.0.1", help="0.0.0.0 serves the network, e.g. a phone")
    add("--port", type=_port, default=8000, help="0: any free one")
    return parser


def _port(value: str) -> int:
    return commandline.whole_number(
        value, lambda result: 0 <= result < 65536, "a port between 0 and 65535"
    )


if __name__ == "__main__":
    commandline.run(main)
