"""Around every request: a trace, a log line, metrics, and the headers that all answers share.

What is logged is the route's template, never the path or the query: both may hold what a user
typed.
"""

import logging
import time

from common.errors import InternalError
from common.metrics.table import REQUEST_DURATION, REQUESTS
from common.telemetry.tracing import extract_context, span
from opentelemetry.trace import SpanKind
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.endpoints.problems import respond

logger = logging.getLogger(__name__)

RAW_SEND = "gateway.send"
"""The key of the scope under which the server's own `send` is found: what a stream sends after its
head needs nothing of what lies between.
"""

_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_DEFAULTS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}

_HTTPS = {"Strict-Transport-Security": "max-age=31536000; includeSubDomains"}


class Observed:
    """The outermost ASGI application."""

    def __init__(self, app: ASGIApp, *, is_https: bool = False) -> None:
        self._app = app
        self._headers = _DEFAULTS | (_HTTPS if is_https else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        scope[RAW_SEND] = send
        status = 0

        async def send_observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        method = scope["method"] if scope["method"] in _METHODS else "other"
        context = extract_context(Headers(scope=scope))
        with span(method, kind=SpanKind.SERVER, parent=context) as current:
            try:
                await self._app(scope, receive, send_observed)
            except Exception:
                logger.exception("a request failed")
                if not status:
                    await respond(InternalError("something went wrong on our side"))(
                        scope, receive, send_observed
                    )
            route = getattr(scope.get("route"), "path", "unknown")
            current.update_name(f"{method} {route}")
            current.set_attribute("http.response.status_code", status)
            _record(method, route, status, time.perf_counter() - began)


def _record(method: str, route: str, status: int, seconds: float) -> None:
    REQUESTS.add(method=method, route=route, status=str(status))
    REQUEST_DURATION.record(seconds, method=method, route=route)
    if route not in _QUIET:
        facts = {
            "method": method,
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 1),
        }
        logger.info("answered", extra=facts)
