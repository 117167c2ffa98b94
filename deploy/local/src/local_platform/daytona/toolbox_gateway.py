"""`/toolbox/<id>/...`: to the daemon inside the sandbox."""

import time

import aiohttp
from aiohttp import web

from local_platform.daytona import signing
from local_platform.daytona.errors import BadGatewayError, BadRequestError, UnauthorizedError
from local_platform.daytona.model import Sandbox
from local_platform.daytona.preview import PROXY, bearer
from local_platform.daytona.sandboxes import Sandboxes
from local_platform.daytona.streams import Upstream, pass_on

SIGNED_PATHS = frozenset({"/files/download", "/files/upload-v2", "/files/upload"})
HIDDEN = frozenset({"authorization"})


class ToolboxGateway:
    def __init__(self, sandboxes: Sandboxes, api_key: str) -> None:
        self._sandboxes = sandboxes
        self._api_key = api_key

    def table(self) -> list[web.RouteDef]:
        return [web.route("*", "/toolbox/{id}{rest:(/.*)?}", self.handle)]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        rest = "/" + [*request.raw_path.split("/", 3), ""][3]
        if not self._is_known(request, rest.partition("?")[0]):
            msg = "unauthorized: Invalid or expired credentials"
            raise UnauthorizedError(msg, source=PROXY)
        sandbox = self._sandboxes.find(request.match_info["id"])
        machine = self._sandboxes.machine(sandbox)
        if machine is None or machine.toolbox is None:
            msg = "bad request: no IP address found. Is the Sandbox started?"
            raise BadRequestError(msg, source=PROXY)
        upstream = Upstream(machine.toolbox, f"http://toolbox{rest}", without=HIDDEN)
        try:
            with self._sandboxes.in_use(sandbox):
                return await pass_on(request, upstream)
        except aiohttp.ClientError as error:
            msg = "the sandbox's daemon does not answer"
            raise BadGatewayError(msg, source=PROXY) from error

    def _is_known(self, request: web.Request, raw_path: str) -> bool:
        """By the path as it is passed on: a signature opens two routes and no other spelling."""
        if signing.same(bearer(request), self._api_key):
            return True
        if raw_path not in SIGNED_PATHS or "signature" not in request.query:
            return False
        return is_signed(request, self._sandboxes.find(request.match_info["id"]))


def is_signed(request: web.Request, sandbox: Sandbox) -> bool:
    """A file URL's signature covers method, path and time; with time 0 it does not expire."""
    query = request.query
    expires = query.get("expires", "")
    if not expires.isdecimal() or (int(expires) and time.time() > int(expires)):
        return False
    expected = signing.file_signature(
        sandbox.signing_key, request.method, query.get("path", ""), int(expires)
    )
    return signing.same(query.get("signature"), expected)
