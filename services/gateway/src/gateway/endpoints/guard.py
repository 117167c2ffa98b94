"""What is refused before a route sees it: foreign hosts and pages, strange paths, huge bodies.

A page of another web site may make a browser post to a loopback address, and a name that is made
to resolve to it may even read the answer. So a request without a token, which the local user or a
session stands for, must come from this site's own pages, to a host name that is ours. A program
says nothing of a page, and has no cookies.
"""

import asyncio
import re
from urllib.parse import urlsplit

from common.errors import AppError, ErrorCode, ForbiddenError, InvalidError, TooLargeError
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.endpoints.problems import respond

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_BODY_S = 30.0
_TAKES_FILES = re.compile(r"/(?:api|ui)/sessions/[^/]+/files|/v1/chat/completions|/api/hermes")


class Guard:
    """An ASGI application in front of another; `hosts` empty answers all host names."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: tuple[str, ...],
        max_body_bytes: int,
        max_upload_bytes: int = 0,
    ) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._max_body = max_body_bytes
        self._max_upload = max(max_upload_bytes, max_body_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            self._check(scope, headers)
            if scope["method"] not in SAFE_METHODS:
                takes_files = _TAKES_FILES.fullmatch(scope["path"]) is not None
                most = self._max_upload if takes_files else self._max_body
                receive = await self._whole_body(headers, receive, most)
        except AppError as error:
            await respond(error)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope, headers: Headers) -> None:
        host = headers.get("host", "").lower()
        if self._hosts and host not in self._hosts:
            message = "this host name is not served here"
            raise ForbiddenError(message, code=ErrorCode.HOST_REFUSED)
        if any(ord(character) < 32 or ord(character) == 127 for character in scope["path"]):
            message = "a path holds no control characters"
            raise InvalidError(message)
        is_ambient = scope["method"] not in SAFE_METHODS and "authorization" not in headers
        if is_ambient and _comes_from_elsewhere(headers, host):
            message = "a page of another site may not do this"
            raise ForbiddenError(message, code=ErrorCode.CSRF)

    async def _whole_body(self, headers: Headers, receive: Receive, most: int) -> Receive:
        """The body, read to its end within limits, to be received again as one message."""
        announced = headers.get("content-length", "0")
        if announced.isdigit() and int(announced) > most:
            raise _too_large(most)
        body = bytearray()
        try:
            async with asyncio.timeout(_BODY_S):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return _replaying(message, receive)
                    body += message.get("body", b"")
                    if len(body) > most:
                        raise _too_large(most)
                    if not message.get("more_body", False):
                        break
        except TimeoutError as exc:
            detail = "the request's body did not arrive in time"
            raise InvalidError(detail, code=ErrorCode.TOO_SLOW) from exc
        whole: Message = {"type": "http.request", "body": bytes(body), "more_body": False}
        return _replaying(whole, receive)


def _too_large(most: int) -> TooLargeError:
    return TooLargeError(f"a request's body may have {most} bytes")


def _replaying(first: Message, receive: Receive) -> Receive:
    messages = [first]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


def _comes_from_elsewhere(headers: Headers, host: str) -> bool:
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = headers.get("origin")
    if origin is None:
        return "cookie" in headers
    return urlsplit(origin).netloc.lower() != host
