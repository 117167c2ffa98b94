"""A client that can go away in the middle, which no HTTP client in memory does."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp


@dataclass
class Visit:
    """A POST of JSON; `gone` lets the client leave, `sent` is what it got."""

    path: str
    body: Any
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    sent: list[Any] = field(default_factory=list)
    _received: bool = False

    async def to(self, app: ASGIApp) -> None:
        headers = [(b"host", b"127.0.0.1:8000"), (b"content-type", b"application/json")]
        scope = {
            "type": "http",
            "method": "POST",
            "path": self.path,
            "raw_path": self.path.encode(),
            "query_string": b"",
            "scheme": "http",
            "http_version": "1.1",
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 1),
            "headers": headers,
        }
        async with asyncio.timeout(10):
            await app(scope, self._receive, self._send)

    @property
    def is_complete(self) -> bool:
        return bool(self.sent) and not self.sent[-1].get("more_body", True)

    async def _receive(self) -> Any:
        if not self._received:
            self._received = True
            return {"type": "http.request", "body": json.dumps(self.body).encode()}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.sent.append(message)
