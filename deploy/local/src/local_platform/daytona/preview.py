"""Previews: a port of a sandbox under a host name of its own.

`<port>-<sandbox id>.<domain>` wants the sandbox's token, the account's key or a public sandbox;
`<port>-<token>.<domain>` carries a signed token that is good for that port only. Nothing of what
opened the door is passed on, and no host name is logged, because it may hold a token.
"""

from contextlib import nullcontext
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp
from aiohttp import web

from local_platform.daytona import signing
from local_platform.daytona.errors import BadRequestError, NotFoundError, UnauthorizedError
from local_platform.daytona.model import Sandbox, utc_now
from local_platform.daytona.records import Records
from local_platform.daytona.sandboxes import Sandboxes
from local_platform.daytona.streams import Upstream, pass_on

PROXY = "DAYTONA_PROXY"
QUERY_KEY = "DAYTONA_SANDBOX_AUTH_KEY"
TOKEN_HEADER = "X-Daytona-Preview-Token"
SKIP_ACTIVITY = "X-Daytona-Skip-Last-Activity-Update"
NO_CORS = "X-Daytona-Disable-CORS"
COOKIE = "daytona-sandbox-auth-"
COOKIE_SECONDS = 3600
GUARDED_PORTS = frozenset({22222, 2280, 33333})


@dataclass(frozen=True)
class Label:
    """The first label of a preview's host name."""

    port: int
    key: str


def label_of(host: str, domain: str) -> Label | None:
    """None for a host that is no preview."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    first, _, rest = name.lower().rstrip(".").partition(".")
    port, dash, key = first.partition("-")
    if rest != domain or not dash or not key or not port.isdecimal():
        return None
    return Label(int(port), key) if 0 < int(port) < 65_536 else None


@dataclass(frozen=True)
class Access:
    """What opened the door, so that it is not passed on."""

    headers: frozenset[str] = frozenset()
    signed: bool = False


class Previews:
    def __init__(self, sandboxes: Sandboxes, records: Records, api_key: str, domain: str) -> None:
        self._sandboxes = sandboxes
        self._records = records
        self._api_key = api_key
        self._domain = domain

    def label(self, request: web.BaseRequest) -> Label | None:
        return label_of(request.headers.get("Host", ""), self._domain)

    async def handle(self, request: web.Request, label: Label) -> web.StreamResponse:
        if is_preflight(request):
            return web.Response(status=HTTPStatus.NO_CONTENT, headers=cors(request))
        sandbox, access = self._open(request, label)
        machine = self._sandboxes.machine(sandbox)
        if machine is None or machine.preview is None:
            msg = "bad request: no IP address found. Is the Sandbox started?"
            raise BadRequestError(msg, source=PROXY)
        upstream = Upstream(
            session=machine.preview,
            url=f"http://localhost:{label.port}{forwarded_path(request)}",
            without=access.headers,
            extra={"X-Forwarded-Host": request.headers.get("Host", "")},
        )
        extra = cors(request) | (self._cookie(request, label) if access.signed else {})
        silent = request.headers.get(SKIP_ACTIVITY, "").lower() == "true"
        try:
            with nullcontext() if silent else self._sandboxes.in_use(sandbox):
                return await pass_on(request, upstream, extra)
        except (aiohttp.ClientError, TimeoutError):
            return web.Response(status=HTTPStatus.BAD_GATEWAY)

    def _open(self, request: web.Request, label: Label) -> tuple[Sandbox, Access]:
        """Raises UnauthorizedError unless something that came with the request opens this port."""
        named = self._records.sandboxes.get(label.key)
        signed = self._records.signed_urls.get(label.key)
        if named is None and signed is None:
            raise refused()
        sandbox = named or (self._records.sandboxes.get(signed.sandbox_id) if signed else None)
        if sandbox is None:
            msg = "not found: the sandbox is gone"
            raise NotFoundError(msg, source=PROXY)
        access = self._credential(request, sandbox, label)
        if access is not None:
            return sandbox, access
        if named is not None:
            raise refused()
        if signed is None or signed.port != label.port or signed.is_expired(utc_now()):
            raise refused()
        return sandbox, Access(signed=True)

    def _credential(self, request: web.Request, sandbox: Sandbox, label: Label) -> Access | None:
        if sandbox.public and label.key == sandbox.id and label.port not in GUARDED_PORTS:
            return Access()
        if signing.same(bearer(request), self._api_key):
            return Access(frozenset({"authorization"}))
        if signing.same(request.headers.get(TOKEN_HEADER), sandbox.token):
            return Access(frozenset({TOKEN_HEADER.lower()}))
        if signing.same(request.query.get(QUERY_KEY), sandbox.token):
            return Access()
        cookie = request.cookies.get(f"{COOKIE}{label.key}")
        return Access() if signing.same(cookie, self._cookie_value(sandbox, label)) else None

    def _cookie(self, request: web.Request, label: Label) -> dict[str, str]:
        signed = self._records.signed_urls.get(label.key)
        sandbox = self._records.sandboxes.get(signed.sandbox_id) if signed else None
        if sandbox is None:
            return {}
        value = self._cookie_value(sandbox, label)
        return {
            "Set-Cookie": f"{COOKIE}{label.key}={value}; Max-Age={COOKIE_SECONDS}; Path=/; "
            f"Domain={request.url.host}; HttpOnly; SameSite=Lax"
        }

    def _cookie_value(self, sandbox: Sandbox, label: Label) -> str:
        return signing.file_signature(
            sandbox.signing_key, "COOKIE", f"{label.port}:{label.key}", 0
        )


def refused() -> UnauthorizedError:
    return UnauthorizedError(
        "unauthorized: authentication failed: Invalid or expired token", source=PROXY
    )


def bearer(request: web.BaseRequest) -> str | None:
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if kind.lower() == "bearer" else None


def forwarded_path(request: web.BaseRequest) -> str:
    """The path as it came, every escape kept, without our own query parameter."""
    path, mark, query = request.raw_path.partition("?")
    if not path.startswith("/"):
        path = "/" + path.partition("://")[2].partition("/")[2]
    kept = [part for part in query.split("&") if part.partition("=")[0] != QUERY_KEY]
    return path + (mark + "&".join(kept) if any(kept) else "")


def is_preflight(request: web.BaseRequest) -> bool:
    asks = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
    return asks and request.headers.get(NO_CORS, "").lower() != "true"


def cors(request: web.BaseRequest) -> dict[str, str]:
    origin = request.headers.get("Origin")
    if origin is None or request.headers.get(NO_CORS, "").lower() == "true":
        return {}
    asked = request.headers.get("Access-Control-Request-Headers")
    allowed = {"Access-Control-Allow-Headers": asked} if asked else {}
    return allowed | {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS, HEAD",
    }
