"""Serve a page that fills masks in the browser with an exported ONNX model."""

import argparse

from distil_jax import commandline
from distil_jax.errors import UserError


def main(arguments: list[str]) -> None:
    """Parse the flags and serve until interrupted."""
    flags = parser().parse_args(arguments)
    from distil_jax.exporting import server as serving
    from distil_jax.exporting.onnx_fill import mask_filler
    from distil_jax.exporting.onnx_folder import open_onnx

    model = open_onnx(flags.model)
    description = serving.about(model, flags.teacher)
    teacher = mask_filler(flags.teacher, count=5) if flags.teacher else None
    files = serving.page_files(model)
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
    add("--model", required=True, help="ONNX folder of a masked LM, best --quantize=int8")
    add("--teacher", default="", help="model folder, ONNX folder or builtin:teacher beside it")
    add("--host", default="127.0.0.1", help="0.0.0.0 serves the network, e.g. a phone")
    add("--port", type=_port, default=8000, help="0: any free one")
    return parser


def _port(value: str) -> int:
    return commandline.whole_number(
        value, lambda result: 0 <= result < 65536, "a port between 0 and 65535"
    )


if __name__ == "__main__":
    commandline.run(main)
