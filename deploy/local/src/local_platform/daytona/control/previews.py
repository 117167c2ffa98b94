"""Routes that hand out addresses: preview links, signed URLs, signing keys."""

from datetime import timedelta

from aiohttp import web

from local_platform.daytona import signing
from local_platform.daytona.bodies import number
from local_platform.daytona.errors import NotFoundError
from local_platform.daytona.model import Sandbox, SignedUrl, utc_now
from local_platform.daytona.records import Records
from local_platform.daytona.sandboxes import Sandboxes

DEFAULT_SECONDS, MAX_SECONDS = 60, 86_400


class PreviewRoutes:
    def __init__(
        self, sandboxes: Sandboxes, records: Records, toolbox_url: str, template: str
    ) -> None:
        self._sandboxes = sandboxes
        self._records = records
        self._toolbox_url = toolbox_url
        self._template = template

    def table(self) -> list[web.RouteDef]:
        one = "/api/sandbox/{id}"
        return [
            web.get(f"{one}/ports/{{port}}/preview-url", self.link),
            web.get(f"{one}/ports/{{port}}/signed-preview-url", self.sign),
            web.post(f"{one}/ports/{{port}}/signed-preview-url/{{token}}/expire", self.expire),
            web.get(f"{one}/signing-key", self.signing_key),
            web.post(f"{one}/signing-key/rotate", self.rotate),
            web.get(f"{one}/toolbox-proxy-url", self.toolbox_url),
        ]

    async def link(self, request: web.Request) -> web.Response:
        sandbox, port = self._find(request), port_of(request)
        url = self._url(port, sandbox.id)
        return web.json_response({"sandboxId": sandbox.id, "url": url, "token": sandbox.token})

    async def sign(self, request: web.Request) -> web.Response:
        sandbox, port = self._find(request), port_of(request)
        given = request.query.get("expiresInSeconds", str(DEFAULT_SECONDS))
        seconds = number(given, lowest=1, highest=MAX_SECONDS, name="expiresInSeconds")
        expires_at = utc_now() + timedelta(seconds=seconds)
        signed = SignedUrl(
            id=signing.new_token(), sandbox_id=sandbox.id, port=port, expires_at=expires_at
        )
        self._forget_expired()
        self._records.signed_urls.put(signed)
        return web.json_response(
            {
                "sandboxId": sandbox.id,
                "port": port,
                "token": signed.id,
                "url": self._url(port, signed.id),
            }
        )

    async def expire(self, request: web.Request) -> web.Response:
        sandbox, port = self._find(request), port_of(request)
        signed = self._records.signed_urls.get(request.match_info["token"])
        if signed is None or (signed.sandbox_id, signed.port) != (sandbox.id, port):
            msg = "there is no such signed URL"
            raise NotFoundError(msg)
        self._records.signed_urls.remove(signed.id)
        return web.json_response({})

    async def signing_key(self, request: web.Request) -> web.Response:
        return web.json_response(self._find(request).signing_key)

    async def rotate(self, request: web.Request) -> web.Response:
        sandbox = self._find(request)
        sandbox.signing_key = signing.new_key()
        self._sandboxes.save(sandbox)
        return web.json_response(sandbox.signing_key)

    async def toolbox_url(self, _: web.Request) -> web.Response:
        return web.json_response({"url": self._toolbox_url})

    def _find(self, request: web.Request) -> Sandbox:
        return self._sandboxes.find(request.match_info["id"])

    def _url(self, port: int, label: str) -> str:
        return self._template.replace("{{PORT}}", str(port)).replace("{{sandboxId}}", label)

    def _forget_expired(self) -> None:
        now = utc_now()
        for signed in self._records.signed_urls.all():
            if signed.is_expired(now):
                self._records.signed_urls.remove(signed.id)


def port_of(request: web.Request) -> int:
    return number(request.match_info["port"], lowest=1, highest=65_535, name="port")
