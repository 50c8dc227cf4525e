"""A store that refuses everything."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@pytest.fixture
def refusing(fake_gcs: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """From a call on, Google's store answers every request with this status."""
    servers: list[ThreadingHTTPServer] = []

    def refuse(status: int) -> None:
        class Refusal(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                message = json.dumps({"error": {"code": status, "message": "not for you"}}).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(message)))
                self.end_headers()
                self.wfile.write(message)

            do_POST = do_DELETE = do_PUT = do_GET  # noqa: N815 http.server's names

            def log_message(self, *_: object) -> None: ...

        server = ThreadingHTTPServer(("127.0.0.1", 0), Refusal)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{server.server_address[1]}")

    yield refuse
    for server in servers:
        server.shutdown()
        server.server_close()
