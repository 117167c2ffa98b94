"""Archives as GitHub's codeload serves them, on this machine: every owner has every repository."""

import gzip
import io
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "c0ffee" + "0" * 34


@dataclass
class Codeload:
    """`archives` by repository; `requests` are how many were asked for."""

    url: str
    archives: Mapping[str, bytes]
    requests: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def archive(self, path: str) -> bytes | None:
        """`/owner/repo/tar.gz/ref`."""
        with self._lock:
            self.requests += 1
        parts = path.split("/")
        return self.archives.get(parts[2]) if len(parts) > 3 else None


@contextmanager
def serving(archives: Mapping[str, bytes]) -> Iterator[Codeload]:
    codeload = Codeload("", archives)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = codeload.archive(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            """Quiet: requests are counted."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    codeload.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield codeload
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def packed(files: Mapping[str, bytes]) -> bytes:
    """What git would make of the files."""
    buffer = io.BytesIO()
    headers = {"comment": COMMIT}
    with tarfile.open(
        fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, pax_headers=headers
    ) as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(f"tools-HEAD/{path}")
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), 6)
