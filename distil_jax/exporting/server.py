"""The browser demo's server: the page, the exported graphs, and the teacher's answers.

It serves a fixed list of files and nothing else, to this machine alone by default.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from distil_jax.errors import UserError
from distil_jax.exporting import vendor
from distil_jax.exporting.onnx_folder import OnnxModel
from distil_jax.pretrained.fill import Filled

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".wasm": "application/wasm",
    ".onnx": "application/octet-stream",
}
PAGE = (
    *("index.html", "style.css", "app.mjs", "elements.mjs", "graph.mjs", "offline.mjs"),
    *("fill.mjs", "classify.mjs", "entities.mjs", "search.mjs"),
)
LARGEST_QUESTION_BYTES = 100_000

Fill = Callable[[str], Filled]


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: "PageServer"
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """A file of the list."""
        path = self.path.partition("?")[0]
        if path == "/about.json":
            self._answer(HTTPStatus.OK, ".json", self.server.description)
        elif path in self.server.files:
            self._file(path, self.server.files[path])
        else:
            self._say(HTTPStatus.NOT_FOUND, {"error": f"{path} does not exist"})

    def do_POST(self) -> None:
        """A text for the teacher."""
        said = self.headers.get("Content-Length") or "0"
        size = int(said) if said.isdecimal() else LARGEST_QUESTION_BYTES + 1
        teacher = self.server.teacher
        if self.path != "/teacher" or teacher is None or size > LARGEST_QUESTION_BYTES:
            self.close_connection = True
            self._say(HTTPStatus.NOT_FOUND, {"error": f"{self.path} answers nothing"})
            return
        try:
            question = json.loads(self.rfile.read(size))
            self._say(HTTPStatus.OK, asdict(teacher(str(question["text"]))))
        except UserError as error:
            self._say(HTTPStatus.UNPROCESSABLE_ENTITY, {"error": str(error)})
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            self._say(HTTPStatus.BAD_REQUEST, {"error": f"not a question: {error}"})

    def _file(self, path: str, file: Path) -> None:
        try:
            body = file.read_bytes()
        except OSError as error:  # an export that was removed since
            self._say(HTTPStatus.NOT_FOUND, {"error": f"{path} cannot be read ({error.strerror})"})
            return
        self._answer(HTTPStatus.OK, file.suffix, body)

    def _say(self, status: HTTPStatus, what: Mapping[str, Any]) -> None:
        self._answer(status, ".json", json.dumps(what).encode())

    def _answer(self, status: HTTPStatus, suffix: str, body: bytes) -> None:
        """Isolated from other origins, a page may use threads."""
        self.send_response(status)
        self.send_header("Content-Type", TYPES[suffix])
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.send_header("Cache-Control", "no-cache")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """The terminal is for the address."""


class PageServer(ThreadingHTTPServer):
    """Serves `page_files`; it is bound but does not serve yet; port 0 is any free one.

    Raises `OSError` for an address that it cannot have.
    """

    def __init__(
        self,
        files: Mapping[str, Path],
        description: Mapping[str, Any],
        teacher: Fill | None,
        *,
        host: str,
        port: int,
    ) -> None:
        """Bind `host` and `port`."""
        self.files = files
        self.description = json.dumps(description).encode()
        self.teacher = teacher
        super().__init__((host, port), Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A visitor who leaves before the model has arrived is no fault."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def page_files(models: Sequence[OnnxModel]) -> dict[str, Path]:
    """What is served, by its path: the page, the browser's libraries, and the models."""
    page = {f"/{name}": vendor.WEB / name for name in PAGE}
    page["/"] = vendor.WEB / PAGE[0]
    files = page | {f"/vendor/{name}": path for name, path in vendor.libraries().items()}
    for number, model in enumerate(models):
        files[f"/model/{number}/model.onnx"] = model.file
        for name in ("tokenizer.json", "tokenizer_config.json"):
            files[f"/model/{number}/{name}"] = model.folder / name
    return files
