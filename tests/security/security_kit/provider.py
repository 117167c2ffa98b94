"""An OpenAI-compatible provider that asks for a key, remembers what it saw, and can refuse."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx


@dataclass
class Provider:
    """`refuse` makes it answer 401 with the key in its words, as some do."""

    url: str
    keys: list[str] = field(default_factory=list)
    refuse: bool = False


@contextmanager
def forwarding(upstream: str) -> Iterator[Provider]:
    """Serve on a free port of this machine what `upstream` says."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.forward(b"")

        def do_POST(self) -> None:
            self.forward(self.rfile.read(int(self.headers.get("content-length", 0))))

        def forward(self, body: bytes) -> None:
            authorization = self.headers.get("authorization", "")
            provider.keys.append(authorization.removeprefix("Bearer "))
            if provider.refuse:
                words = f"Incorrect API key provided: {authorization}"
                self.answer(401, json.dumps({"error": {"message": words}}).encode())
                return
            path = self.path.removeprefix("/v1")
            headers = {"content-type": "application/json"}
            with (
                httpx.Client(timeout=60) as client,
                client.stream(
                    self.command, upstream + path, content=body, headers=headers
                ) as found,
            ):
                self.send_response(found.status_code)
                self.send_header("content-type", found.headers["content-type"])
                self.send_header("connection", "close")
                self.end_headers()
                for chunk in found.iter_raw():
                    self.wfile.write(chunk)
                    self.wfile.flush()
            self.close_connection = True

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = Provider(f"http://127.0.0.1:{server.server_address[1]}/v1")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
